import { dnsLabel, group, kind, objectName } from './formats.ts'
import { distinctListeners, gatewayGroup, listener } from './gateway-kinds.ts'
import { array, byDefault, object, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import type { ListenerSetSpec } from './resource.ts'

// ListenerSet of Gateway API v1.6, standard channel: limits and rules of the CRD.

export const listenerSetSpec: Shape<ListenerSetSpec> = object<ListenerSetSpec>(
  {
    parentRef: required(
      object<ListenerSetSpec['parentRef']>({
        group: byDefault(group, gatewayGroup),
        kind: byDefault(kind, 'Gateway'),
        name: required(objectName),
        namespace: optional(dnsLabel),
      }),
    ),
    listeners: required(array(listener, { min: 1, max: 64 })),
  },
  { rules: [distinctListeners()] },
)
