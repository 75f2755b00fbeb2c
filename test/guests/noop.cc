// Has every callback of an HTTP plugin and does nothing in them: what the host costs by itself.
#include "proxy_wasm.h"

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}
EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) { return 0; }
EXPORT(proxy_on_request_body) i32 proxy_on_request_body(i32, i32, i32) { return 0; }
EXPORT(proxy_on_response_headers) i32 proxy_on_response_headers(i32, i32, i32) { return 0; }
EXPORT(proxy_on_response_body) i32 proxy_on_response_body(i32, i32, i32) { return 0; }
EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
