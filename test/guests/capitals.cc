// Writes what answers say in capital letters: piece by piece, or, configured with `whole`, when all of it has come, with
// `!` behind it. The answer's x-encoded is the Content-Encoding that the plugin saw, `plain` without. Requests go on
// without Accept-Encoding.
#include "proxy_wasm.h"

static i32 pointer, size;
static bool isWhole = false;

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32 length) {
  isWhole = length > 0;
  return 1;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  heap = 0;
  proxy_remove_header_map_value(0, STRING("accept-encoding"));
  return 0;
}

EXPORT(proxy_on_response_headers) i32 proxy_on_response_headers(i32, i32, i32) {
  heap = 0;
  if (proxy_get_header_map_value(2, STRING("content-encoding"), (i32)&pointer, (i32)&size) == 0)
    proxy_replace_header_map_value(2, STRING("x-encoded"), pointer, size);
  else
    proxy_replace_header_map_value(2, STRING("x-encoded"), STRING("plain"));
  return 0;
}

EXPORT(proxy_on_response_body) i32 proxy_on_response_body(i32, i32 length, i32 isLast) {
  heap = 0;
  if (isWhole && !isLast) return 1;
  if (length > 0 && proxy_get_buffer_bytes(1, 0, length, (i32)&pointer, (i32)&size) == 0) {
    for (u8 *letter = (u8 *)pointer; letter < (u8 *)pointer + size; letter++)
      if (*letter >= 'a' && *letter <= 'z') *letter -= 'a' - 'A';
    proxy_set_buffer_bytes(1, 0, length, pointer, size);
  }
  if (isWhole) proxy_set_buffer_bytes(1, length, 0, STRING("!"));
  return 0;
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
