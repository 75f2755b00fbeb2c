import { formatProblem } from '../core/index.ts'
import { checkFiles } from '../daemon/index.ts'
import type { CheckReport } from '../daemon/index.ts'
import { usage } from './call.ts'
import { paintOf, printJson, wantsJson } from './context.ts'
import { withoutControls } from './paint.ts'
import type { Paint } from './paint.ts'
import { colorFlag, outputFlag } from './verb.ts'
import type { Verb } from './verb.ts'

export const check: Verb = {
  name: 'check',
  summary: 'validate configuration files and report every problem, without an agent',
  usage: '-f PATH …',
  flags: [
    {
      name: 'file',
      short: 'f',
      value: 'PATH',
      isRepeated: true,
      about: 'A file or a directory, which is read with all below it.',
    },
    outputFlag,
    colorFlag,
  ],
  examples: ['heddle check -f examples/shop', 'heddle check -f mesh.yaml -o json'],
  exits: ['1 when there are errors; warnings alone give 0'],
  async run(call, io) {
    const paths = [...(call.flags.get('file') ?? []), ...call.positionals]
    if (paths.length === 0) throw usage(check, 'check needs the files to read: heddle check -f DIR')
    const report = await checkFiles(paths)
    if (wantsJson(call)) printJson(io, report)
    else io.out(`${renderReport(report, paintOf(call, io))}\n`)
    return report.problems.some(({ severity }) => severity === 'error') ? 1 : 0
  },
}

export function renderReport({ problems, counts }: CheckReport, paint: Paint): string {
  const lines = problems.map(problem => {
    const mark = problem.severity === 'error' ? paint.bad('error') : paint.warn('warning')
    return `${mark} ${withoutControls(formatProblem(problem))}`
  })
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const warnings = problems.length - errors
  const found = [
    plural(counts.listeners, 'Gateway listener'),
    plural(counts.routes, 'route'),
    plural(counts.services, 'service'),
    plural(counts.workloads, 'workload'),
    ...(counts.networkPolicies === 0
      ? []
      : [counts.networkPolicies === 1 ? '1 network policy' : `${counts.networkPolicies} network policies`]),
  ].join(', ')
  const verdict =
    errors > 0 ? paint.bad(plural(errors, 'error')) : warnings > 0 ? paint.warn('no errors') : paint.good('no problems')
  const also = warnings > 0 ? `, ${plural(warnings, 'warning')}` : ''
  return [...lines, `${verdict}${also}: ${found}`].join('\n')
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
