/**
 * The code of RFC 7541 appendix B. It is canonical: codes of one length are
 * consecutive in the order of their symbols, so that the lengths say it all.
 * One digit in base 31 for each of the symbols 0 to 255 and EOS.
 */
const lengths: string =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad677777777777777777777' +
  '77878djde6f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmo' +
  'lmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu'

export const endOfString = 256

/** Length of each symbol's code in bits; 257 symbols. */
export const codeLengths: Uint8Array = Uint8Array.from(lengths, digit => Number.parseInt(digit, 31))

/** Each symbol's code, in its lowest bits. */
export const codeBits: Uint32Array = assignCodes()

function assignCodes(): Uint32Array {
  const codes = new Uint32Array(codeLengths.length)
  let next = 0
  for (let length = 1; length <= 30; length++) {
    next *= 2
    for (const [symbol, own] of codeLengths.entries()) {
      if (own === length) codes[symbol] = next++
    }
  }
  return codes
}
