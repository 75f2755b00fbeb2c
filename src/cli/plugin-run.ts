import { assertNever } from '../core/index.ts'
import type {
  HeaderMap,
  OfflineMessage,
  OfflineOutcome,
  OfflineRun,
  OfflineStep,
  OfflineTransfer,
} from '../wasm/index.ts'
import { withoutControls } from './paint.ts'
import type { Paint, Painter } from './paint.ts'

/** A plugin's run for people: callbacks, what they called, and how it ended. */
export function renderRun(run: OfflineRun, paint: Paint): string {
  const lines = run.steps.flatMap(step => renderStep(step, paint))
  lines.push(...missing(run).map(name => line(`hint: --upstream '${name}=200 …' is what ${name} answers`, paint.warn)))
  if (refusesStreams(run)) lines.push(line(streamHint, paint.warn))
  if (run.failure !== undefined) lines.push(line(`failed: ${run.failure}`, paint.bad))
  lines.push('', ...renderOutcome(run.outcome, paint))
  const metrics = Object.entries(run.metrics)
  if (metrics.length > 0) lines.push('metrics:', ...metrics.map(([name, value]) => line(`  ${name} ${value}`)))
  return lines.join('\n')
}

const streamHint = 'hint: --kind service runs a plugin that serves no requests, --kind tcp one for connections'

/** SDKs abort where they are given a stream of a kind that the plugin has no context for. */
function refusesStreams({ steps, failure }: OfflineRun): boolean {
  const last = steps.at(-1)
  return failure !== undefined && last?.callback === 'proxy_on_context_create' && last.parameters[1] !== 0
}

/** Whom the plugin called and nobody was given for. */
function missing(run: OfflineRun): readonly string[] {
  const calls = run.steps.flatMap(step => step.calls).filter(call => 'name' in call)
  const refused = calls.filter(({ name, status }) => name.endsWith('_call') && unknownUpstream.has(status))
  return [...new Set(refused.map(({ parameters }) => String(parameters[0])))]
}

/** What the ABI answers for a service that nobody knows: by HTTP, and by gRPC. */
const unknownUpstream: ReadonlySet<unknown> = new Set(['bad-argument', 'parse-failure'])

function renderStep({ callback, parameters, calls, result }: OfflineStep, paint: Paint): readonly string[] {
  const returned = result === undefined ? '' : ` = ${words(result)}`
  const lines = [line(`${callback}(${parameters.join(', ')})${returned}`, paint.bold)]
  for (const call of calls) {
    if ('log' in call) lines.push(line(`  ${call.log}: ${call.message}`))
    else {
      const results = call.results.map(value => ` ${JSON.stringify(value)}`).join('')
      lines.push(
        line(
          `  ${call.name}(${call.parameters.map(words).join(', ')}) = ${typeof call.status === 'string' ? call.status : words(call.status)}${results}`,
        ),
      )
    }
  }
  return lines
}

/** What comes from plugins and messages is printed without what moves the cursor. */
function line(text: string, painter: Painter = same => same): string {
  return painter(withoutControls(text))
}

function words(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}

function renderOutcome(outcome: OfflineOutcome, paint: Paint): readonly string[] {
  switch (outcome.kind) {
    case 'not-started':
      return [line(outcome.detail, paint.bad)]
    case 'passed':
      return [
        'request to the upstream:',
        ...renderMessage(outcome.request),
        'response to the client:',
        ...renderMessage(outcome.response),
      ]
    case 'answered': {
      const { status, details, headers, body } = outcome.response
      return [line(`answered ${status}${details === '' ? '' : ` (${details})`}:`), ...renderMessage({ headers, body })]
    }
    case 'transferred':
      return renderTransfer(outcome)
    case 'no-stream':
      return ['the plugin is a service and sees no request']
    case 'reset':
      return ['the stream was reset']
    case 'held':
      return [`the ${outcome.message} is held by the plugin, and nothing came that would let it go`]
    default:
      return assertNever(outcome)
  }
}

function renderTransfer({ toEndpoint, toClient, closed, held }: OfflineTransfer): readonly string[] {
  return [
    'to the endpoint:',
    ...renderText(toEndpoint),
    'to the client:',
    ...renderText(toClient),
    ...(closed === undefined ? [] : [`the plugin closed the side of the ${closed}`]),
    ...held.map(side => `what the ${side} sent is held by the plugin, and nothing came that would let it go`),
  ]
}

function renderMessage({ headers, body, trailers }: OfflineMessage): readonly string[] {
  const fields = (map: HeaderMap): string[] => [...map].map(([name, value]) => line(`  ${name}: ${value}`))
  const text = body.length === 0 ? [] : ['', ...renderText(body)]
  return [...fields(headers), ...text, ...(trailers === undefined ? [] : ['', ...fields(trailers)])]
}

function renderText(bytes: Uint8Array): readonly string[] {
  if (bytes.length === 0) return []
  return Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .map(text => line(`  ${text}`))
}

/** The same for programs: maps as lists of pairs, bodies as text. */
export function runAsJson(run: OfflineRun): unknown {
  return JSON.parse(
    JSON.stringify(run, (_key, value: unknown) => {
      if (isBuffer(value)) return Buffer.from(value.data).toString('utf8')
      if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
      if (typeof value === 'object' && value !== null && 'pairsBytes' in value) return [...(value as HeaderMap)]
      return value
    }),
  )
}

/** What JSON.stringify makes of a Buffer before it asks. */
function isBuffer(value: unknown): value is { readonly data: readonly number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value
}
