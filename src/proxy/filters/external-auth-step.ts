import {
  decodeCheckResponse,
  encodeCheckRequest,
  extAuthzPath,
  frameGrpcMessage,
  readUnaryMessage,
} from '../../codec/index.ts'
import { localReplies, type BackendKey, type ExternalAuth } from '../../model/index.ts'
import { authRequest, clientFields, decideByGrpc, decideByHttp, type AuthDecision } from '../../policy/index.ts'
import type { AuthCall, AuthCallOutcome, FilterRequest } from './filter-exchange.ts'
import { tooLarge, type FilterStep, type StepOutcome, type StepRun } from './filter-step.ts'

/**
 * Asks an authorizer, with the body where the rule says so, and does what it
 * decides. Without a decision (no endpoint, no answer in time, an answer that
 * makes no sense) the request is refused, unless the rule says that it fails
 * open.
 */
export class ExternalAuthStep implements FilterStep {
  readonly #auth: ExternalAuth

  constructor(auth: ExternalAuth) {
    this.#auth = auth
  }

  apply(run: StepRun): StepOutcome {
    const { maxBodyBytes } = this.#auth
    if (maxBodyBytes === 0) return this.#ask(run, Buffer.alloc(0))
    if (run.request.contentLength > maxBodyBytes) return run.answer(tooLarge(maxBodyBytes))
    const body = run.collected
    if (body !== undefined)
      return body.length > maxBodyBytes ? run.answer(tooLarge(maxBodyBytes)) : this.#ask(run, body)
    return run.collect(maxBodyBytes, collected => void this.#ask(run, collected))
  }

  #ask(run: StepRun, body: Buffer): 'wait' {
    const auth = this.#auth
    run.after(auth.timeoutMs, () => this.#carryOut(run, unavailable(`no answer within ${auth.timeoutMs} ms`)))
    const call = auth.protocol === 'http' ? httpCall(auth, run.request, body) : grpcCall(auth, run.request, body)
    run.call = run.context.auth.call(call, outcome => this.#carryOut(run, decisionOf(auth, outcome)))
    return 'wait'
  }

  #carryOut(run: StepRun, decision: AuthDecision): void {
    if (decision.kind === 'allow') {
      run.requestEdits.push(decision.request)
      run.answerEdits.push(decision.response)
      run.proceed()
    } else if (decision.kind === 'deny') {
      const { status, headers, body } = decision
      run.answer({ reason: 'auth-denied', status, grpcStatus: undefined, detail: '', headers, body })
    } else if (this.#auth.failsOpen) {
      run.proceed()
    } else {
      const { status } = localReplies['auth-unavailable']
      const detail = `authorization could not be decided: ${decision.detail}`
      run.answer({ reason: 'auth-unavailable', status, grpcStatus: undefined, detail, headers: [], body: undefined })
    }
  }
}

function unavailable(detail: string): AuthDecision {
  return { kind: 'unavailable', detail }
}

function httpCall(auth: ExternalAuth, request: FilterRequest, body: Buffer): AuthCall {
  return { backend: auth.backend, protocol: 'http', ...authRequest(auth, request), body }
}

function grpcCall(auth: ExternalAuth, request: FilterRequest, body: Buffer): AuthCall {
  const { requestHeaders } = auth
  const headers = new Map(
    [...request.headers()].filter(([name]) => requestHeaders === undefined || requestHeaders.includes(name)),
  )
  for (const { name, value } of clientFields(request)) headers.set(name, value)
  const source = {
    address: request.clientAddress,
    port: request.clientPort,
    service: request.callerService === '' ? '' : `${request.callerNamespace}/${request.callerService}`,
    principal: '',
  }
  const message = encodeCheckRequest({
    timeMs: request.startWallMs,
    source,
    destination: { address: request.localAddress, port: request.localPort, service: '', principal: '' },
    id: request.requestId,
    method: request.method,
    scheme: request.scheme,
    host: request.host,
    path: request.target,
    protocol: request.protocol,
    headers,
    size: request.contentLength,
    body,
  })
  return {
    backend: auth.backend,
    protocol: 'grpc',
    method: 'POST',
    host: authorityOf(auth.backend),
    target: extAuthzPath,
    headers: [],
    body: frameGrpcMessage(message),
  }
}

/** `shop/auth:9000` → `auth.shop:9000`, a name that DNS could know. */
function authorityOf(backend: BackendKey): string {
  const [namespace = '', service = ''] = backend.split('/')
  const [name = '', port = ''] = service.split(':')
  return `${name}.${namespace}:${port}`
}

function decisionOf(auth: ExternalAuth, outcome: AuthCallOutcome): AuthDecision {
  if (outcome.kind === 'failed') return unavailable(outcome.detail)
  const { status, headers, body } = outcome
  if (auth.protocol === 'http') return decideByHttp(auth, status, headers, body)
  const grpcStatus = headers.find(({ name }) => name === 'grpc-status')?.value
  if (status !== 200 || grpcStatus !== '0') {
    return unavailable(`the authorizer answered ${status}, gRPC status ${grpcStatus ?? 'missing'}`)
  }
  const message = readUnaryMessage(body)
  const answer = message.kind === 'message' ? decodeCheckResponse(message.message) : undefined
  return answer === undefined ? unavailable('the answer is no CheckResponse') : decideByGrpc(answer)
}
