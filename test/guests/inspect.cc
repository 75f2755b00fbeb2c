// Reads each body of a response whole and looks for `forbidden` in it: what a scanner of bodies costs.
#define OWN_ALLOCATOR
#include "proxy_wasm.h"

static u8 content[65536];
EXPORT(proxy_on_memory_allocate) u8 *proxy_on_memory_allocate(u32 size) { return size <= sizeof(content) ? content : 0; }

static i32 pointer, size;

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}
EXPORT(proxy_on_response_headers) i32 proxy_on_response_headers(i32, i32, i32) { return 0; }

EXPORT(proxy_on_response_body) i32 proxy_on_response_body(i32, i32 length, i32 isLast) {
  // Until all of it has come.
  if (!isLast) return 1;
  if (length == 0 || proxy_get_buffer_bytes(1, 0, length, (i32)&pointer, (i32)&size) != 0) return 0;
  const text wanted = "forbidden";
  i32 matched = 0;
  for (i32 at = 0; at < size; at++) {
    matched = content[at] == (u8)wanted[matched] ? matched + 1 : content[at] == 'f' ? 1 : 0;
    if (wanted[matched] != 0) continue;
    proxy_send_local_response(502, STRING("forbidden"), STRING("the answer may not be seen"), 0, 0, -1);
    return 1;
  }
  return 0;
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
