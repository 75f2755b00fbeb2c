import { ProtobufWriter } from '../../codec/index.ts'
import type { PropertyValue } from '../../wasm/index.ts'

/** What plugins find as `xds.node`: a message of Envoy's kind that says which node it is, and no more. */
export function nodeProperty(id: string): (path: readonly string[]) => PropertyValue | undefined {
  const writer = new ProtobufWriter()
  writer.string(1, id)
  const node = { fields: new Map([['id', id]]), message: writer.finish() }
  return ([group, name, field, ...more]) => {
    if (group !== 'xds' || name !== 'node' || more.length > 0) return undefined
    return field === undefined ? node : node.fields.get(field)
  }
}
