// Adds, reads and removes 20 headers of each request: the workload by which hosts are compared.
#define OWN_ALLOCATOR
#include "proxy_wasm.h"

// One result is alive at a time.
static u8 result[256];
EXPORT(proxy_on_memory_allocate) u8 *proxy_on_memory_allocate(u32 size) { return size <= sizeof(result) ? result : 0; }

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  char key[] = "x-header-00";
  i32 pointer, size;
  for (i32 step = 0; step < 3; step++) {
    for (i32 index = 0; index < 20; index++) {
      key[9] = '0' + index / 10;
      key[10] = '0' + index % 10;
      if (step == 0) proxy_add_header_map_value(0, (i32)key, 11, STRING("a value of a header"));
      if (step == 1) proxy_get_header_map_value(0, (i32)key, 11, (i32)&pointer, (i32)&size);
      if (step == 2) proxy_remove_header_map_value(0, (i32)key, 11);
    }
  }
  return 0;
}
