// Does harm in the callback that the header x-do of the last request names, as `request_headers:loop`.
#define OWN_ALLOCATOR
#include "proxy_wasm.h"

extern "C" __attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit"))) void proc_exit(i32);

static i32 pointer, size;
static u32 mode = 0;

EXPORT(malloc) u32 malloc(u32 bytes) {
  if (mode == 1) return 0;
  if (mode == 2) return 0xfffffff0;
  if (mode == 3) __builtin_trap();
  return allocate(bytes);
}

static bool is(text wanted, text given, u32 count) {
  for (u32 index = 0; index < count; index++)
    if (wanted[index] == 0 || wanted[index] != given[index]) return false;
  return wanted[count] == 0;
}

__attribute__((noinline)) static i32 recurse(i32 depth) { return depth <= 0 ? 1 : recurse(depth - 1) + recurse(depth - 2); }
__attribute__((noinline)) static i32 deep(volatile i32 *depth) { return *depth == -1 ? 0 : deep(depth) + *depth; }
static volatile i32 sink = 0;
static u8 block[4 * 1024 * 1024];

static void harm(text what, u32 count) {
  if (is("trap", what, count)) __builtin_trap();
  if (is("exit", what, count)) proc_exit(3);
  if (is("loop", what, count))
    for (;;) sink++;
  if (is("recursion", what, count)) sink = recurse(60);
  if (is("stack", what, count)) sink = deep(&sink);
  if (is("fill", what, count))
    for (;;) __builtin_memset(block, ++sink, sizeof(block));
  if (is("grow", what, count))
    for (;;) sink += __builtin_wasm_memory_grow(0, 0);
  if (is("memory", what, count))
    for (;;) *(volatile u8 *)allocate(65536) = 1;
  if (is("log", what, count))
    for (;;) proxy_log(2, STRING("again"));
  if (is("headers", what, count))
    while (proxy_add_header_map_value(0, STRING("x-more"), STRING("a value that takes memory of the host")) == 0) {}
  if (is("one-header", what, count))
    sink = proxy_add_header_map_value(0, STRING("x-large"), (i32)block, sizeof(block));
  if (is("body", what, count))
    sink = proxy_set_buffer_bytes(0, 0, 0, (i32)block, sizeof(block));
  if (is("no-memory", what, count)) mode = 1;
  if (is("wrong-memory", what, count)) mode = 2;
  if (is("trap-memory", what, count)) mode = 3;
  if (mode != 0) {
    sink = proxy_get_header_map_value(0, STRING("x-do"), (i32)&pointer, (i32)&size);
    mode = 0;
    proxy_log(2, sink == 6 ? (i32) "refused" : (i32) "taken", 7);
  }
}

// What the last request wanted: its headers are not to be seen in later callbacks.
static char wish[64];
static u32 wish_size = 0;

static i32 at(text callback) {
  u32 colon = 0;
  while (colon < wish_size && wish[colon] != ':') colon++;
  if (!is(callback, wish, colon)) return 0;
  text what = wish + colon + 1;
  u32 count = wish_size - colon - 1;
  if (is("pause", what, count)) return 1;
  harm(what, count);
  return 0;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  wish_size = 0;
  if (proxy_get_header_map_value(0, STRING("x-do"), (i32)&pointer, (i32)&size) != 0) return 0;
  for (; wish_size < (u32)size && wish_size < sizeof(wish); wish_size++) wish[wish_size] = ((text)pointer)[wish_size];
  return at("request_headers");
}
EXPORT(proxy_on_request_body) i32 proxy_on_request_body(i32, i32, i32) { return at("request_body"); }
EXPORT(proxy_on_response_headers) i32 proxy_on_response_headers(i32, i32, i32) { return at("response_headers"); }
EXPORT(proxy_on_response_body) i32 proxy_on_response_body(i32, i32, i32) { return at("response_body"); }
EXPORT(proxy_on_log) void proxy_on_log(i32) { at("log"); }
