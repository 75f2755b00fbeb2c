// SHA-256 (FIPS 180-4), HMAC with it (RFC 2104), and base64 in both alphabets (RFC 4648).

const constants: StaticArray<u32> = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]

export function sha256(message: Uint8Array): Uint8Array {
  const state: StaticArray<u32> = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  ]
  const size = message.length
  const padded = new Uint8Array(((size + 72) >> 6) << 6)
  padded.set(message)
  padded[size] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint64(padded.length - 8, <u64>size * 8)
  const words = new StaticArray<u32>(64)
  for (let block = 0; block < padded.length; block += 64) {
    for (let index = 0; index < 16; index++) words[index] = view.getUint32(block + index * 4)
    for (let index = 16; index < 64; index++) {
      const a = words[index - 15]
      const b = words[index - 2]
      const low = rotr<u32>(a, 7) ^ rotr<u32>(a, 18) ^ (a >> 3)
      const high = rotr<u32>(b, 17) ^ rotr<u32>(b, 19) ^ (b >> 10)
      words[index] = words[index - 16] + low + words[index - 7] + high
    }
    round(state, words)
  }
  const result = new Uint8Array(32)
  const out = new DataView(result.buffer)
  for (let index = 0; index < 8; index++) out.setUint32(index * 4, state[index])
  return result
}

function round(state: StaticArray<u32>, words: StaticArray<u32>): void {
  let a = state[0]
  let b = state[1]
  let c = state[2]
  let d = state[3]
  let e = state[4]
  let f = state[5]
  let g = state[6]
  let h = state[7]
  for (let index = 0; index < 64; index++) {
    const choice = (e & f) ^ (~e & g)
    const first = h + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + choice + constants[index] + words[index]
    const majority = (a & b) ^ (a & c) ^ (b & c)
    const second = (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + majority
    h = g
    g = f
    f = e
    e = d + first
    d = c
    c = b
    b = a
    a = first + second
  }
  state[0] += a
  state[1] += b
  state[2] += c
  state[3] += d
  state[4] += e
  state[5] += f
  state[6] += g
  state[7] += h
}

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const block = new Uint8Array(64)
  block.set(key.length > 64 ? sha256(key) : key)
  const inner = new Uint8Array(64 + message.length)
  const outer = new Uint8Array(96)
  for (let index = 0; index < 64; index++) {
    inner[index] = block[index] ^ 0x36
    outer[index] = block[index] ^ 0x5c
  }
  inner.set(message, 64)
  outer.set(sha256(inner), 64)
  return sha256(outer)
}

/** As long for any two of one length. */
export function isSame(a: Uint8Array, b: Uint8Array): bool {
  if (a.length != b.length) return false
  let difference = 0
  for (let index = 0; index < a.length; index++) difference |= a[index] ^ b[index]
  return difference == 0
}

/** @returns nothing if there is another character in it */
export function decodeBase64(text: string): Uint8Array {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) == 0x3d) end--
  const result = new Uint8Array((end * 3) / 4)
  let bits: u32 = 0
  let held = 0
  let at = 0
  for (let index = 0; index < end; index++) {
    const digit = digitOf(text.charCodeAt(index))
    if (digit < 0) return new Uint8Array(0)
    bits = (bits << 6) | digit
    held += 6
    if (held < 8) continue
    held -= 8
    result[at++] = <u8>(bits >> held)
  }
  return result
}

function digitOf(code: i32): i32 {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 26
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52
  if (code == 0x2b || code == 0x2d) return 62
  return code == 0x2f || code == 0x5f ? 63 : -1
}
