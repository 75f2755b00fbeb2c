// Does in each callback what the test says: the test is asked for host calls
// one by one, and this guest makes them.
#include "proxy_wasm.h"

// One slot of 8 bytes for each parameter, and room for texts and results.
static struct {
  i64 parameters[16];
  u8 room[65536];
} scratch;

IMPORT(test_begin) i32 test_begin(text callback, i32 length, void *scratch, text names, i32 a, i32 b, i32 c, i32 d, i32 e);
IMPORT(test_next) i32 test_next(i32 result);
IMPORT(test_result) i32 test_result();

#define NAME(name, parameters, values) #name " "
static const char names[] = HOST_FUNCTIONS(NAME);
#undef NAME

#define A(index) (i32) scratch.parameters[index]
#define L(index) scratch.parameters[index]
enum {
#define INDEX(name, parameters, values) index_##name,
  HOST_FUNCTIONS(INDEX)
#undef INDEX
};

static i32 call(i32 index) {
  switch (index) {
#define CASE(name, parameters, values)                                                                                 \
  case index_##name:                                                                                                   \
    return name values;
    HOST_FUNCTIONS(CASE)
#undef CASE
  }
  __builtin_trap();
}

static i32 run(text callback, i32 a = 0, i32 b = 0, i32 c = 0, i32 d = 0, i32 e = 0) {
  i32 next = test_begin(callback, length(callback), &scratch, names, a, b, c, d, e);
  while (next >= 0) next = test_next(call(next));
  return test_result();
}

#define CALLBACK1(name, result)                                                                                        \
  EXPORT(name) result name(i32 a) { return (result)run(#name, a); }
#define CALLBACK2(name, result)                                                                                        \
  EXPORT(name) result name(i32 a, i32 b) { return (result)run(#name, a, b); }
#define CALLBACK3(name, result)                                                                                        \
  EXPORT(name) result name(i32 a, i32 b, i32 c) { return (result)run(#name, a, b, c); }
#define CALLBACK5(name, result)                                                                                        \
  EXPORT(name) result name(i32 a, i32 b, i32 c, i32 d, i32 e) { return (result)run(#name, a, b, c, d, e); }

CALLBACK2(proxy_on_context_create, void)
CALLBACK2(proxy_on_vm_start, i32)
CALLBACK2(proxy_on_configure, i32)
CALLBACK1(proxy_on_tick, void)
CALLBACK2(proxy_on_queue_ready, void)
CALLBACK1(proxy_on_new_connection, i32)
CALLBACK3(proxy_on_downstream_data, i32)
CALLBACK3(proxy_on_upstream_data, i32)
CALLBACK2(proxy_on_downstream_connection_close, void)
CALLBACK2(proxy_on_upstream_connection_close, void)
#if ABI == 100
CALLBACK2(proxy_on_request_headers, i32)
CALLBACK2(proxy_on_response_headers, i32)
#else
CALLBACK3(proxy_on_request_headers, i32)
CALLBACK3(proxy_on_response_headers, i32)
CALLBACK3(proxy_on_foreign_function, void)
#endif
CALLBACK3(proxy_on_request_body, i32)
CALLBACK3(proxy_on_response_body, i32)
CALLBACK2(proxy_on_request_trailers, i32)
CALLBACK2(proxy_on_response_trailers, i32)
CALLBACK5(proxy_on_http_call_response, void)
CALLBACK3(proxy_on_grpc_receive_initial_metadata, void)
CALLBACK3(proxy_on_grpc_receive, void)
CALLBACK3(proxy_on_grpc_receive_trailing_metadata, void)
CALLBACK3(proxy_on_grpc_close, void)
CALLBACK1(proxy_on_done, i32)
CALLBACK1(proxy_on_log, void)
CALLBACK1(proxy_on_delete, void)
