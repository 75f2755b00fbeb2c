/**
 * An eBPF library for Node, published as `heddle/ebpf`: reads objects that
 * clang wrote, loads them, and works with their maps, programs, links and ring
 * buffers, with nothing but bpf(2). It knows nothing of meshes, and needs
 * neither libbpf nor a compiler. A thread makes one `Bpf`; everything opened
 * through it is closed by its owner, by `using`. Read `object-spec.ts` (what an
 * object is), then `loaded-object.ts`, `map.ts`, `program.ts` and `link.ts`.
 */
export { assemble } from './assemble.ts'
export type { Instruction } from './assemble.ts'
export { Bpf } from './bpf.ts'
export type { BpfOptions, Descriptor, OpenDescriptor } from './bpf.ts'
export { findBpffs, findCgroup2, openPinFolder } from './bpffs.ts'
export { missingCapabilities } from './capabilities.ts'
export type { Capability } from './capabilities.ts'
export { findType, memberOffset, plainType, readBtf, sizeOf, typeAt } from './btf.ts'
export type { Btf, BtfEnum, BtfMember, BtfStruct, BtfType } from './btf.ts'
export { bytesCodec, codecOf, perCpuCodec } from './codec.ts'
export type { Codec } from './codec.ts'
export { openDescribedMap, openMapById } from './described-map.ts'
export { checkFeatures } from './feature-report.ts'
export type { FeatureReport } from './feature-report.ts'
export {
  allFeatures,
  batchFeature,
  btfFeature,
  cgroupLinkFeature,
  freezeFeature,
  helperFeature,
  kernelTypesFeature,
  mapFeature,
  programFeature,
  socketsLinkFeature,
  statsFeature,
  supports,
} from './feature.ts'
export type { Feature, Helper } from './feature.ts'
export { generateTypes } from './generate-types.ts'
export type { GlobalSection, GlobalVariable } from './global-data.ts'
export { enableStats, objectIds, openById } from './info.ts'
export type { LinkInfo, MapInfo, ObjectKind, ProgramInfo } from './info.ts'
export { listPins, takeInventory } from './inventory.ts'
export type { Inventory, Pinned } from './inventory.ts'
export { attachToCgroup, attachToKernelFunction, attachToSockets, attachWithoutLink, Link, openLink } from './link.ts'
export type { SocketsAttachment } from './link.ts'
export type { LineInfo, ProgramSpec } from './link-programs.ts'
export { loadObject, LoadedObject, openMapOf } from './loaded-object.ts'
export type { GlobalValue, LoadObjectOptions } from './loaded-object.ts'
export { BpfMap, createMap, mapDifferences, openMap } from './map.ts'
export type { Batch, MapShape, UpdateMode } from './map.ts'
export type { MapKind } from './map-kind.ts'
export type { MapSpec } from './map-spec.ts'
export { readObject } from './object-spec.ts'
export type { ObjectSpec } from './object-spec.ts'
export { isBpffs, unpin } from './pin.ts'
export type { PinOptions } from './pin.ts'
export { loadProgram, openProgram, Program } from './program.ts'
export type { TestRun } from './program.ts'
export type { ProgramSection } from './program-kind.ts'
export { decodeRecords, RingBuffer } from './ring-buffer.ts'
export type { RingBufferOptions } from './ring-buffer.ts'
export { TypeIndex } from './type-index.ts'
export { TypedMap } from './typed-map.ts'
export { loadTypes } from './types.ts'
export { VerifierRefusal } from './verifier-error.ts'
