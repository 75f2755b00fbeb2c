// Built with DWARF: the test of the inspector stops in its callback.
#include "proxy_wasm.h"

EXPORT(proxy_on_request_headers) i32 proxy_on_request_headers(i32, i32, i32) {
  proxy_add_header_map_value(0, STRING("x-debugged"), STRING("yes"));
  return 0;
}
