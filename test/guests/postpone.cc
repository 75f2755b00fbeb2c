// Pauses each request; the next tick lets all of them go on.
#include "proxy_wasm.h"

static i32 waiting[16];
static u32 count = 0;

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_vm_start) i32 proxy_on_vm_start(i32, i32) {
  proxy_set_tick_period_milliseconds(1000);
  return 1;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32 context, i32, i32) {
  if (count == sizeof(waiting) / sizeof(waiting[0])) return 0;
  waiting[count++] = context;
  return 1;
}

EXPORT(proxy_on_tick) void proxy_on_tick(i32) {
  while (count > 0) {
    proxy_set_effective_context(waiting[--count]);
    proxy_continue_stream(0);
  }
}
