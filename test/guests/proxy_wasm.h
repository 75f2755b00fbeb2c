// The Proxy-Wasm ABI for guests of these tests, without any library: every
// name is that of the ABI. Compile with -DABI=100, 200 or 210.
#pragma once

#ifndef ABI
#define ABI 210
#endif

using u8 = unsigned char;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;
using text = const char *;

#define IMPORT(name) extern "C" __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

#if ABI == 100
EXPORT(proxy_abi_version_0_1_0) void proxy_abi_version_0_1_0() {}
#elif ABI == 200
EXPORT(proxy_abi_version_0_2_0) void proxy_abi_version_0_2_0() {}
#else
EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}
#endif

// name, parameters as they are passed; out-parameters are addresses
#define HOST_FUNCTIONS_OF_ALL(F)                                                                                       \
  F(proxy_log, (i32, i32, i32), (A(0), A(1), A(2)))                                                                    \
  F(proxy_get_current_time_nanoseconds, (i32), (A(0)))                                                                 \
  F(proxy_set_tick_period_milliseconds, (i32), (A(0)))                                                                 \
  F(proxy_get_buffer_bytes, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                                 \
  F(proxy_get_buffer_status, (i32, i32, i32), (A(0), A(1), A(2)))                                                      \
  F(proxy_set_buffer_bytes, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                                 \
  F(proxy_get_header_map_pairs, (i32, i32, i32), (A(0), A(1), A(2)))                                                   \
  F(proxy_set_header_map_pairs, (i32, i32, i32), (A(0), A(1), A(2)))                                                   \
  F(proxy_get_header_map_value, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                             \
  F(proxy_add_header_map_value, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                             \
  F(proxy_replace_header_map_value, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                         \
  F(proxy_remove_header_map_value, (i32, i32, i32), (A(0), A(1), A(2)))                                                \
  F(proxy_get_header_map_size, (i32, i32), (A(0), A(1)))                                                               \
  F(proxy_send_local_response, (i32, i32, i32, i32, i32, i32, i32, i32),                                               \
    (A(0), A(1), A(2), A(3), A(4), A(5), A(6), A(7)))                                                                  \
  F(proxy_http_call, (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32),                                               \
    (A(0), A(1), A(2), A(3), A(4), A(5), A(6), A(7), A(8), A(9)))                                                      \
  F(proxy_grpc_call, (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32),                                     \
    (A(0), A(1), A(2), A(3), A(4), A(5), A(6), A(7), A(8), A(9), A(10), A(11)))                                        \
  F(proxy_grpc_stream, (i32, i32, i32, i32, i32, i32, i32, i32, i32),                                                  \
    (A(0), A(1), A(2), A(3), A(4), A(5), A(6), A(7), A(8)))                                                            \
  F(proxy_grpc_send, (i32, i32, i32, i32), (A(0), A(1), A(2), A(3)))                                                   \
  F(proxy_grpc_cancel, (i32), (A(0)))                                                                                  \
  F(proxy_grpc_close, (i32), (A(0)))                                                                                   \
  F(proxy_get_status, (i32, i32, i32), (A(0), A(1), A(2)))                                                             \
  F(proxy_get_shared_data, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                                  \
  F(proxy_set_shared_data, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                                  \
  F(proxy_register_shared_queue, (i32, i32, i32), (A(0), A(1), A(2)))                                                  \
  F(proxy_resolve_shared_queue, (i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4)))                             \
  F(proxy_enqueue_shared_queue, (i32, i32, i32), (A(0), A(1), A(2)))                                                   \
  F(proxy_dequeue_shared_queue, (i32, i32, i32), (A(0), A(1), A(2)))                                                   \
  F(proxy_define_metric, (i32, i32, i32, i32), (A(0), A(1), A(2), A(3)))                                               \
  F(proxy_increment_metric, (i32, i64), (A(0), L(1)))                                                                  \
  F(proxy_record_metric, (i32, i64), (A(0), L(1)))                                                                     \
  F(proxy_get_metric, (i32, i32), (A(0), A(1)))                                                                        \
  F(proxy_get_property, (i32, i32, i32, i32), (A(0), A(1), A(2), A(3)))                                                \
  F(proxy_set_property, (i32, i32, i32, i32), (A(0), A(1), A(2), A(3)))                                                \
  F(proxy_set_effective_context, (i32), (A(0)))                                                                        \
  F(proxy_done, (), ())                                                                                                \
  F(proxy_call_foreign_function, (i32, i32, i32, i32, i32, i32), (A(0), A(1), A(2), A(3), A(4), A(5)))

#if ABI == 100
#define HOST_FUNCTIONS(F)                                                                                              \
  HOST_FUNCTIONS_OF_ALL(F)                                                                                             \
  F(proxy_get_configuration, (i32, i32), (A(0), A(1)))                                                                 \
  F(proxy_continue_request, (), ())                                                                                    \
  F(proxy_continue_response, (), ())                                                                                   \
  F(proxy_clear_route_cache, (), ())
#elif ABI == 200
#define HOST_FUNCTIONS(F)                                                                                              \
  HOST_FUNCTIONS_OF_ALL(F)                                                                                             \
  F(proxy_continue_stream, (i32), (A(0)))                                                                              \
  F(proxy_close_stream, (i32), (A(0)))
#else
#define HOST_FUNCTIONS(F)                                                                                              \
  HOST_FUNCTIONS_OF_ALL(F)                                                                                             \
  F(proxy_continue_stream, (i32), (A(0)))                                                                              \
  F(proxy_close_stream, (i32), (A(0)))                                                                                 \
  F(proxy_get_log_level, (i32), (A(0)))
#endif

#define DECLARE(name, parameters, values) IMPORT(name) i32 name parameters;
HOST_FUNCTIONS(DECLARE)
#undef DECLARE

// Memory: blocks are never given back unless a guest says where to begin again.
extern "C" u8 __heap_base;
static u32 heap = 0;
static inline u32 allocate(u32 size) {
  if (heap == 0) heap = (u32)&__heap_base;
  u32 pointer = (heap + 7) & ~7u;
  u32 end = pointer + size;
  u32 have = __builtin_wasm_memory_size(0) * 65536;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) / 65536) == (unsigned long)-1) __builtin_trap();
  heap = end;
  return pointer;
}
#ifndef OWN_ALLOCATOR
EXPORT(proxy_on_memory_allocate) u32 proxy_on_memory_allocate(u32 size) { return allocate(size); }
#endif

static inline u32 length(text string) {
  u32 count = 0;
  while (string[count] != 0) count++;
  return count;
}
#define STRING(literal) (i32)(literal), (i32)(sizeof(literal) - 1)
