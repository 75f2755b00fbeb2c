// Leaves its mark, the first letter in its configuration, in the header x-order of requests and of responses, and in the
// trailer x-mark of responses that have trailers; the property `marks` has the letters of all that saw the request, and
// the response's header x-marks says so. A request with the header x-route goes where that says.
#include "proxy_wasm.h"

static i32 pointer, size;
static char mark = '?';
static char marks[32];

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32 length) {
  if (length == 0 || proxy_get_buffer_bytes(7, 0, length, (i32)&pointer, (i32)&size) != 0) return 1;
  for (text at = (text)pointer; mark == '?' && at < (text)pointer + size; at++)
    if (*at >= 'a' && *at <= 'z') mark = *at;
  return 1;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  proxy_add_header_map_value(0, STRING("x-order"), (i32)&mark, 1);
  u32 count = 0;
  if (proxy_get_property(STRING("marks"), (i32)&pointer, (i32)&size) == 0)
    for (; count < (u32)size && count < sizeof(marks) - 1; count++) marks[count] = ((char *)pointer)[count];
  marks[count++] = mark;
  proxy_set_property(STRING("marks"), (i32)marks, count);
  if (proxy_get_header_map_value(0, STRING("x-route"), (i32)&pointer, (i32)&size) != 0 || size == 0) return 0;
  proxy_replace_header_map_value(0, STRING(":path"), pointer, size);
  proxy_remove_header_map_value(0, STRING("x-route"));
  proxy_call_foreign_function(STRING("clear_route_cache"), 0, 0, (i32)&pointer, (i32)&size);
  return 0;
}

EXPORT(proxy_on_response_headers) i32 proxy_on_response_headers(i32, i32, i32) {
  proxy_add_header_map_value(2, STRING("x-order"), (i32)&mark, 1);
  if (proxy_get_property(STRING("marks"), (i32)&pointer, (i32)&size) == 0)
    proxy_replace_header_map_value(2, STRING("x-marks"), pointer, size);
  return 0;
}

EXPORT(proxy_on_response_trailers) i32 proxy_on_response_trailers(i32, i32) {
  proxy_add_header_map_value(3, STRING("x-mark"), (i32)&mark, 1);
  return 0;
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
