// Does to a connection what the client's data begins with: `deny`, `trap`, `loop`, `hold` until more has come with `go`
// in it, `bye` closes the endpoint. Anything else passes in capital letters, and the endpoint's data with `!` before it.
// Configured with `shut`, it closes each connection before anything is said; with `wait` it holds new ones for a tick.
#include "proxy_wasm.h"

static i32 pointer, size;
static char configuration = 0;
static i32 waiting = 0;
static volatile i32 sink = 0;

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32 length) {
  if (length > 0 && proxy_get_buffer_bytes(7, 0, length, (i32)&pointer, (i32)&size) == 0) configuration = *(char *)pointer;
  return 1;
}

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_new_connection) i32 proxy_on_new_connection(i32 context) {
  if (configuration == 's') proxy_close_stream(2);
  if (configuration != 'w') return 0;
  waiting = context;
  proxy_set_tick_period_milliseconds(20);
  return 1;
}

EXPORT(proxy_on_tick) void proxy_on_tick(i32) {
  proxy_set_tick_period_milliseconds(0);
  proxy_set_effective_context(waiting);
  proxy_continue_stream(2);
}

static bool begins(text wanted) {
  for (i32 index = 0; wanted[index] != 0; index++)
    if (index >= size || ((char *)pointer)[index] != wanted[index]) return false;
  return true;
}

static bool contains(text wanted) {
  for (; size > 0; pointer++, size--)
    if (begins(wanted)) return true;
  return false;
}

EXPORT(proxy_on_downstream_data) i32 proxy_on_downstream_data(i32, i32 length, i32) {
  if (length == 0 || proxy_get_buffer_bytes(2, 0, length, (i32)&pointer, (i32)&size) != 0) return 0;
  if (begins("trap")) __builtin_trap();
  if (begins("loop"))
    for (;;) sink++;
  if (begins("deny")) {
    proxy_close_stream(2);
    return 1;
  }
  if (begins("bye")) proxy_close_stream(3);
  if (begins("hold")) return contains("go") ? 0 : 1;
  for (i32 index = 0; index < size; index++) {
    char *letter = (char *)pointer + index;
    if (*letter >= 'a' && *letter <= 'z') *letter -= 'a' - 'A';
  }
  proxy_set_buffer_bytes(2, 0, length, pointer, size);
  return 0;
}

EXPORT(proxy_on_upstream_data) i32 proxy_on_upstream_data(i32, i32 length, i32) {
  if (length > 0) proxy_set_buffer_bytes(3, 0, 0, STRING("!"));
  return 0;
}

EXPORT(proxy_on_downstream_connection_close) void proxy_on_downstream_connection_close(i32, i32) {}
EXPORT(proxy_on_upstream_connection_close) void proxy_on_upstream_connection_close(i32, i32) {}
EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
