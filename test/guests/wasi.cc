// Calls every function of WASI that runtimes of languages import, and logs what each answers.
#include "proxy_wasm.h"

#define WASI(name, ...)                                                                                                \
  extern "C" __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) i32 name(__VA_ARGS__);
WASI(fd_write, i32, i32, i32, i32)
WASI(fd_fdstat_get, i32, i32)
WASI(fd_read, i32, i32, i32, i32)
WASI(fd_seek, i32, i64, i32, i32)
WASI(fd_close, i32)
WASI(fd_fdstat_set_flags, i32, i32)
WASI(fd_prestat_get, i32, i32)
WASI(fd_prestat_dir_name, i32, i32, i32)
WASI(path_open, i32, i32, i32, i32, i32, i64, i64, i32, i32)
WASI(clock_res_get, i32, i32)
WASI(clock_time_get, i32, i64, i32)
WASI(random_get, i32, i32)
WASI(environ_sizes_get, i32, i32)
WASI(environ_get, i32, i32)
WASI(args_sizes_get, i32, i32)
WASI(args_get, i32, i32)
WASI(poll_oneoff, i32, i32, i32, i32)
extern "C" __attribute__((import_module("wasi_unstable"), import_name("sched_yield"))) i32 sched_yield();
IMPORT(pthread_equal) i32 pthread_equal(i32, i32);
IMPORT(emscripten_notify_memory_growth) void emscripten_notify_memory_growth(i32);

static char line[128];
static u32 used = 0;
static void put(text string) {
  while (*string != 0) line[used++] = *string++;
}
static void number(u32 value) {
  if (value > 9) number(value / 10);
  line[used++] = '0' + value % 10;
}
static void tell(text name, u32 a, u32 b = 0, u32 c = 0) {
  used = 0;
  put(name);
  const u32 values[] = {a, b, c};
  for (u32 value : values) {
    put(" ");
    number(value);
  }
  proxy_log(2, (i32)line, used);
}

static u32 out[8];
static u8 bytes[70000];
static struct {
  i32 pointer, length;
} vectors[2];

static void write(i32 fd, text first, text second) {
  vectors[0] = {(i32)first, (i32)length(first)};
  vectors[1] = {(i32)second, (i32)length(second)};
  tell("fd_write", fd_write(fd, (i32)vectors, 2, (i32)out), out[0]);
}

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32) {
  const i32 outside = 0x7fffff00;
  write(1, "to the ", "log\n");
  write(2, "an ", "error");
  out[0] = 0;
  write(3, "no", "where");
  tell("fd_write outside", fd_write(1, outside, 1, (i32)out), fd_write(1, (i32)vectors, 2, outside));
  vectors[0].pointer = outside;
  tell("fd_write outside of a vector", fd_write(1, (i32)vectors, 1, (i32)out));
  tell("fd_fdstat_get", fd_fdstat_get(1, (i32)bytes), *(u32 *)(bytes + 8));
  tell("fd_fdstat_get wrong", fd_fdstat_get(3, (i32)bytes), fd_fdstat_get(-1, (i32)bytes), fd_fdstat_get(1, outside));
  tell("files", fd_read(0, 0, 0, 0), fd_seek(1, 0, 0, 0), fd_close(1));
  tell("files", fd_fdstat_set_flags(1, 0), fd_prestat_get(3, 0), fd_prestat_dir_name(3, 0, 0));
  tell("files", path_open(3, 0, 0, 0, 0, 0, 0, 0, 0), clock_res_get(0, 0), sched_yield());
  u64 time[2];
  i32 real = clock_time_get(0, 0, (i32)&time[0]);
  i32 monotonic = clock_time_get(1, 0, (i32)&time[1]);
  tell("clock_time_get", real, monotonic, time[0] > 1700000000000000000 && time[1] > 0);
  tell("clock_time_get wrong", clock_time_get(2, 0, (i32)time), clock_time_get(0, 0, outside));
  tell("random_get", random_get((i32)bytes, 16), random_get((i32)bytes, 0), *(u64 *)bytes != *(u64 *)(bytes + 8));
  tell("random_get wrong", random_get((i32)bytes, 65537), random_get(outside, 10));
  tell("environ_sizes_get", environ_sizes_get((i32)out, (i32)(out + 1)), out[0], out[1]);
  tell("environ_get", environ_get((i32)out, (i32)bytes));
  proxy_log(2, (i32)out[1], length((text)out[1]));
  tell("environ wrong", environ_sizes_get(outside, (i32)out), environ_get(outside, (i32)bytes), environ_get((i32)out, outside));
  tell("args_sizes_get", args_sizes_get((i32)out, (i32)(out + 1)), out[0], out[1]);
  tell("args_get", args_get((i32)out, (i32)bytes));
  out[0] = 7;
  tell("poll_oneoff", poll_oneoff(0, 0, 1, (i32)out), out[0], poll_oneoff(0, 0, 1, outside));
  emscripten_notify_memory_growth(0);
  tell("pthread_equal", pthread_equal(1, 1), pthread_equal(1, 2));
  return 1;
}
