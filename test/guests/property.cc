// Sends the property that its configuration names (`request.time`) to the endpoint: x-property has its bytes in
// hexadecimal digits, or `none`.
#include "proxy_wasm.h"

static u8 path[64], digits[512];
static i32 pointer, size, pathLength = 0;

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32) {
  if (proxy_get_buffer_bytes(7, 0, sizeof(path), (i32)&pointer, (i32)&size) != 0) return 0;
  for (pathLength = 0; pathLength < size; pathLength++) {
    const u8 letter = ((u8 *)pointer)[pathLength];
    path[pathLength] = letter == '.' ? 0 : letter;
  }
  return 1;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  heap = 0;
  if (proxy_get_property((i32)path, pathLength, (i32)&pointer, (i32)&size) != 0) {
    proxy_replace_header_map_value(0, STRING("x-property"), STRING("none"));
    return 0;
  }
  const i32 shown = size < (i32)sizeof(digits) / 2 ? size : (i32)sizeof(digits) / 2;
  for (i32 at = 0; at < shown; at++) {
    const u8 byte = ((u8 *)pointer)[at];
    digits[2 * at] = (u8)"0123456789abcdef"[byte >> 4];
    digits[2 * at + 1] = (u8)"0123456789abcdef"[byte & 15];
  }
  proxy_replace_header_map_value(0, STRING("x-property"), (i32)digits, 2 * shown);
  return 0;
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
