// Puts an item into a queue of its own at the start, and logs what it takes out.
#include "proxy_wasm.h"

static i32 queue, pointer, size;

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}

EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32) {
  proxy_register_shared_queue(STRING("items"), (i32)&queue);
  proxy_enqueue_shared_queue(queue, STRING("an item"));
  return 1;
}

EXPORT(proxy_on_queue_ready) void proxy_on_queue_ready(i32, i32 id) {
  if (proxy_dequeue_shared_queue(id, (i32)&pointer, (i32)&size) == 0) proxy_log(2, pointer, size);
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
