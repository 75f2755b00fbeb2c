import type { FlowRecord } from './flow-record.ts'

export interface FlowQuery {
  /** `db`, `shop/db` or `shop/db:5432`, a Service or a Workload, on either side; null for all. */
  readonly service: string | null
  /** A verdict, or a kind such as `refused`; null for all. */
  readonly verdict: string | null
}

/** That events were lost is told to everybody. */
export function flowFilter({ service, verdict }: FlowQuery): (record: FlowRecord) => boolean {
  return record => {
    if (record.kind === 'lost') return true
    if (verdict !== null && record.kind !== verdict && record.verdict !== verdict) return false
    if (service === null) return true
    const names = [record.source.service, record.source.workload]
    if (record.kind !== 'name') names.push(record.destination.service, record.destination.workload)
    return names.some(name => isNamed(name, service))
  }
}

function isNamed(full: string, wanted: string): boolean {
  const [name = '', port = ''] = full.split(':')
  const [plain = '', wantedPort = ''] = wanted.split(':')
  if (name === '' || (wantedPort !== '' && port.split('/')[0] !== wantedPort)) return false
  return name === plain || name.endsWith(`/${plain}`)
}
