// What the examples in C++ need of the Proxy-Wasm ABI 0.2.1, without any library:
// texts, an allocator, and the host's functions under short names.
#pragma once

#define IMPORT(name) extern "C" __attribute__((import_module("env"), import_name(#name))) int name
#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

using u32 = unsigned int;

EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}

IMPORT(proxy_log)(int level, const char *text, u32 length);
IMPORT(proxy_get_buffer_bytes)(int type, u32 start, u32 length, const char **text, u32 *size);
IMPORT(proxy_get_header_map_value)(int map, const char *key, u32 keyLength, const char **value, u32 *length);
IMPORT(proxy_get_header_map_pairs)(int map, const char **pairs, u32 *length);
IMPORT(proxy_add_header_map_value)(int map, const char *key, u32 keyLength, const char *value, u32 length);
IMPORT(proxy_replace_header_map_value)(int map, const char *key, u32 keyLength, const char *value, u32 length);
IMPORT(proxy_remove_header_map_value)(int map, const char *key, u32 keyLength);
IMPORT(proxy_send_local_response)
(int status, const char *details, u32 detailsLength, const char *body, u32 bodyLength, const char *headers,
 u32 headersLength, int grpcStatus);
IMPORT(proxy_define_metric)(int type, const char *name, u32 length, u32 *id);
IMPORT(proxy_increment_metric)(u32 id, long long delta);

enum Map { requestHeaders = 0, responseHeaders = 2 };
enum Buffer { requestBody = 0, pluginConfiguration = 7 };
enum Action { pass = 0, pause = 1 };

// Memory. A callback begins where the configuration ended, and what it took is
// free again when the next one begins: nothing is ever given back by itself.
extern "C" char __heap_base;
static u32 heapEnd = 0;
static u32 heapAfterConfiguration = 0;

EXPORT(proxy_on_memory_allocate) char *proxy_on_memory_allocate(u32 size) {
  if (heapEnd == 0) heapEnd = (u32)&__heap_base;
  u32 start = (heapEnd + 7) & ~7u;
  u32 have = __builtin_wasm_memory_size(0) * 65536;
  if (size > 0x7fffffff - start) __builtin_trap();
  if (start + size > have && (int)__builtin_wasm_memory_grow(0, (start + size - have + 65535) / 65536) < 0)
    __builtin_trap();
  heapEnd = start + size;
  return (char *)start;
}

static inline void keepConfiguration() { heapAfterConfiguration = heapEnd; }
static inline void beginCallback() {
  if (heapAfterConfiguration != 0) heapEnd = heapAfterConfiguration;
}

template <class T> static inline T *make() {
  T *made = (T *)proxy_on_memory_allocate(sizeof(T));
  *made = T();
  return made;
}

struct Text {
  const char *data = nullptr;
  u32 length = 0;

  constexpr Text() = default;
  constexpr Text(const char *data, u32 length) : data(data), length(length) {}
  constexpr Text(const char *literal) : data(literal) {
    while (literal[length] != 0) length++;
  }
  char operator[](u32 index) const { return data[index]; }
  bool operator==(Text other) const {
    if (length != other.length) return false;
    for (u32 index = 0; index < length; index++)
      if (data[index] != other.data[index]) return false;
    return true;
  }
  bool contains(Text part) const {
    for (u32 start = 0; start + part.length <= length; start++)
      if (Text(data + start, part.length) == part) return true;
    return false;
  }
};

/// A text that grows; nothing else may be allocated before it is finished.
struct Builder {
  char *data = proxy_on_memory_allocate(0);
  u32 length = 0;

  void add(char byte) {
    proxy_on_memory_allocate(1);
    heapEnd = (u32)(data + length + 1);
    data[length++] = byte;
  }
  void add(Text text) {
    for (u32 index = 0; index < text.length; index++) add(text[index]);
  }
  Text text() const { return Text(data, length); }
};

static inline char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static inline void warn(Text text) { proxy_log(3, text.data, text.length); }

/// Empty if there is none.
static inline Text header(Map map, Text name) {
  Text value;
  if (proxy_get_header_map_value(map, name.data, name.length, &value.data, &value.length) != 0) return Text();
  return value;
}

static inline Text bytes(Buffer buffer, u32 size) {
  Text text;
  if (size == 0 || proxy_get_buffer_bytes(buffer, 0, size, &text.data, &text.length) != 0) return Text();
  return text;
}

static inline Action answer(int status, Text details, Text body) {
  proxy_send_local_response(status, details.data, details.length, body.data, body.length, nullptr, 0, -1);
  return pause;
}
