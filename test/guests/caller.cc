// Asks the Service `echo` by gRPC for each request with the header x-ask, and answers with what it heard: `unary` sends
// one message, `stream` two and then the end, `drop` opens a stream and cancels it. The answer has the messages, then
// the names of the callbacks in their order, and the status.
#include "proxy_wasm.h"

static i32 pointer, size;
static i32 waiting = 0;
static char heard[4096];
static u32 count = 0;

static void add(text bytes, u32 length) {
  for (u32 index = 0; index < length && count < sizeof(heard); index++) heard[count++] = bytes[index];
}
#define ADD(literal) add(literal, sizeof(literal) - 1)

static void answer() {
  proxy_set_effective_context(waiting);
  proxy_send_local_response(200, STRING("asked"), (i32)heard, count, 0, 0, -1);
}

EXPORT(proxy_on_context_create) void proxy_on_context_create(i32, i32) {}
EXPORT(proxy_on_configure) i32 proxy_on_configure(i32, i32) { return 1; }

// One pair: x-from-plugin: yes.
static const u32 metadata[] = {1, 13, 3};
static u8 pairs[64];

static u32 pack() {
  u32 at = 0;
  for (u32 word : metadata)
    for (u32 shift = 0; shift < 32; shift += 8) pairs[at++] = word >> shift;
  const text parts[] = {"x-from-plugin", "yes"};
  for (text part : parts) {
    for (u32 index = 0; part[index] != 0; index++) pairs[at++] = part[index];
    pairs[at++] = 0;
  }
  return at;
}

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32 context, i32, i32) {
  if (proxy_get_header_map_value(0, STRING("x-ask"), (i32)&pointer, (i32)&size) != 0) return 0;
  char what = *(char *)pointer;
  waiting = context;
  count = 0;
  u32 call = 0;
  i32 length = pack();
  if (what == 'u') {
    i32 status = proxy_grpc_call(STRING("echo"), STRING("test.Echo"), STRING("Unary"), (i32)pairs, length, STRING("hello"), 1000, (i32)&call);
    if (status == 0) return 1;
    ADD("refused");
    answer();
    return 1;
  }
  if (proxy_grpc_stream(STRING("echo"), STRING("test.Echo"), STRING("Both"), (i32)pairs, length, (i32)&call) != 0) return 0;
  if (what == 'd') {
    proxy_grpc_cancel(call);
    ADD("cancelled");
    answer();
    return 1;
  }
  proxy_grpc_send(call, STRING("one "), 0);
  proxy_grpc_send(call, STRING("two "), 0);
  proxy_grpc_close(call);
  return 1;
}

EXPORT(proxy_on_grpc_receive_initial_metadata) void proxy_on_grpc_receive_initial_metadata(i32, i32, i32) { ADD("head "); }

EXPORT(proxy_on_grpc_receive) void proxy_on_grpc_receive(i32, i32 call, i32 length) {
  if (proxy_get_buffer_bytes(5, 0, length, (i32)&pointer, (i32)&size) == 0) add((text)pointer, size);
  // Of one message alone: nothing else comes.
  if ((call & 3) == 1) answer();
}

EXPORT(proxy_on_grpc_receive_trailing_metadata) void proxy_on_grpc_receive_trailing_metadata(i32, i32, i32) { ADD("trailers "); }

EXPORT(proxy_on_grpc_close) void proxy_on_grpc_close(i32, i32, i32 status) {
  char digits[] = {'s', 't', 'a', 't', 'u', 's', ' ', (char)('0' + status / 10), (char)('0' + status % 10)};
  add(digits, sizeof(digits));
  answer();
}

EXPORT(proxy_on_done) i32 proxy_on_done(i32) { return 1; }
EXPORT(proxy_on_log) void proxy_on_log(i32) {}
EXPORT(proxy_on_delete) void proxy_on_delete(i32) {}
