// Serves no stream, as plugins that only do something from time to time: asks `clock` with each tick and counts its answers.
#include "proxy_wasm.h"

extern "C" __attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) i32 fd_write(i32, i32, i32,
                                                                                                          i32);

/// Without the end of its line, as runtimes write in pieces.
static void print(text piece) {
  const i32 vector[] = {(i32)piece, (i32)length(piece)};
  i32 written;
  fd_write(1, (i32)vector, 1, (i32)&written);
}

static u32 pairs[32];
static u32 pairsLength = 0;
static i32 metric = 0;

static void pair(text name, text value, u32 index, u32 count) {
  if (index == 0) {
    pairs[0] = count;
    pairsLength = 4 + 8 * count;
  }
  pairs[1 + 2 * index] = length(name);
  pairs[2 + 2 * index] = length(value);
  const text parts[] = {name, value};
  for (text part : parts) {
    for (u32 at = 0; at <= length(part); at++) ((u8 *)pairs)[pairsLength++] = part[at];
  }
}

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32 parent) {
  if (parent != 0) __builtin_trap();
}

EXPORT(proxy_on_vm_start) i32 proxy_on_vm_start(i32, i32) {
  proxy_define_metric(0, STRING("answers"), (i32)&metric);
  proxy_set_tick_period_milliseconds(60000);
  return 1;
}

EXPORT(proxy_on_tick) void proxy_on_tick(i32) {
  i32 id;
  print("a ");
  print("tick");
  pair(":method", "GET", 0, 3);
  pair(":path", "/now", 1, 3);
  pair(":authority", "clock", 2, 3);
  proxy_http_call(STRING("clock"), (i32)pairs, pairsLength, 0, 0, 0, 0, 1000, (i32)&id);
}

EXPORT(proxy_on_http_call_response) void proxy_on_http_call_response(i32, i32, i32 headers, i32, i32) {
  i32 value, size;
  if (headers == 0) return;
  if (proxy_get_header_map_value(6, STRING("x-time"), (i32)&value, (i32)&size) == 0) proxy_log(2, value, size);
  proxy_increment_metric(metric, 1);
}
