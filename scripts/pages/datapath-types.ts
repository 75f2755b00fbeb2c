import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateTypes } from '../../src/kernel/ebpf/generate-types.ts'
import { readObject } from '../../src/kernel/ebpf/object-spec.ts'
import { root } from '../files.ts'

/** What programs of the kernel tier and user space tell each other, for TypeScript. */
export async function datapathTypes(): Promise<string> {
  const object = readObject(await readFile(join(root, 'bpf/datapath/sockets.bpf.o')), { name: 'sockets' })
  return `// Written by scripts/generate.ts; change bpf/datapath/types.h instead.\n\n${generateTypes(object, { types: ['flow_event', 'flow_end', 'flow_cut'] })}`
}

/** The same of the kernel's HTTP path. */
export async function kernelHttpTypes(): Promise<string> {
  const object = readObject(await readFile(join(root, 'bpf/kernel-http/http.bpf.o')), { name: 'http' })
  return `// Written by scripts/generate.ts; change bpf/kernel-http/types.h instead.\n\n${generateTypes(object, { types: ['kh_event', 'kh_sample'] })}`
}
