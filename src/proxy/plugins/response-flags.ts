/** Envoy's numbers of its response flags (`CoreResponseFlag`), of those that occur here. */
const bits: Readonly<Record<string, bigint>> = {
  LH: 0n,
  UH: 1n,
  UT: 2n,
  LR: 3n,
  UR: 4n,
  UF: 5n,
  UC: 6n,
  UO: 7n,
  NR: 8n,
  DI: 9n,
  FI: 10n,
  RL: 11n,
  UAEX: 12n,
  DC: 14n,
  URX: 15n,
  SI: 16n,
  DPE: 18n,
  DT: 22n,
  UPE: 23n,
  NC: 24n,
  OM: 25n,
}

/** `UF` or `DI,UT` as a vector of bits; what Envoy has no bit for is left out. */
export function flagBits(flags: string): bigint {
  return flags.split(',').reduce((vector, flag) => {
    const bit = bits[flag]
    return bit === undefined ? vector : vector | (1n << bit)
  }, 0n)
}
