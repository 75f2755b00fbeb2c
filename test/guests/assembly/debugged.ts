// Built with a source map: the test of the inspector stops in the line marked below. Without the SDK, so that the map is small.
@external('env', 'proxy_add_header_map_value')
declare function addHeader(map: i32, key: usize, keyLength: i32, value: usize, length: i32): i32

const key = memory.data<u8>([0x78, 0x2d, 0x61])
const value = memory.data<u8>([0x30])

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: i32): usize {
  return heap.alloc(size)
}

export function proxy_on_request_headers(_context: i32, count: i32, _end: i32): i32 {
  const digit = 0x30 + (count % 10)
  store<u8>(value, <u8>digit) // here
  addHeader(0, key, 3, value, 1)
  return 0
}
