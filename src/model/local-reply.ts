/**
 * Every answer that Heddle itself makes. The reason travels in the response
 * header `x-heddle-reason` and in the access log, with Envoy's response flag
 * beside it, since operators search for those. docs/reference/responses.md is
 * generated from this table.
 */
export const localReplies = {
  'bad-request': {
    status: 400,
    flag: 'DPE',
    about: 'The request breaks RFC 9110 or RFC 9112; the connection is closed.',
  },
  'request-timeout': { status: 408, flag: 'RT', about: 'The client did not send its request head or body in time.' },
  'misdirected-request': {
    status: 421,
    flag: 'NR',
    about:
      'The connection was made for a server name of another listener than the one that the Host belongs to (RFC 9110 section 15.5.20); a new connection helps.',
  },
  'payload-too-large': { status: 413, flag: 'DPE', about: 'The body is larger than the configured limit.' },
  'uri-too-long': { status: 414, flag: 'DPE', about: 'The request target is longer than the limit.' },
  'expectation-failed': {
    status: 417,
    flag: 'DPE',
    about: 'An Expect header asks for something other than 100-continue.',
  },
  'headers-too-large': { status: 431, flag: 'DPE', about: 'The request head has too many fields or bytes.' },
  'method-not-supported': {
    status: 501,
    flag: 'DPE',
    about: 'CONNECT without a route that allows it, or TRACE whose Max-Forwards is 0: what came is told to nobody.',
  },
  'version-not-supported': { status: 505, flag: 'DPE', about: 'Not HTTP/1.0 or HTTP/1.1.' },
  'no-route': { status: 404, flag: 'NR', about: 'No listener, hostname or route rule matches.' },
  'no-backend': { status: 500, flag: 'NR', about: 'The rule has no backend, or all weights are zero.' },
  'invalid-backend': {
    status: 500,
    flag: 'NC',
    about: 'The chosen backend reference is invalid: not found, not permitted or of an unknown kind.',
  },
  'invalid-filter': {
    status: 500,
    flag: 'NC',
    about: 'A filter of the rule cannot be carried out, and a filter is never skipped.',
  },
  'no-endpoint': { status: 503, flag: 'UH', about: 'The backend has no endpoint that may be used.' },
  overloaded: { status: 503, flag: 'UO', about: 'A circuit breaker of the backend is open.' },
  'connect-failed': { status: 502, flag: 'UF', about: 'No connection to the endpoint could be made.' },
  'connect-timeout': { status: 504, flag: 'UF', about: 'The endpoint did not accept a connection in time.' },
  'upstream-tls-failed': {
    status: 502,
    flag: 'UF',
    about:
      'No TLS connection to the endpoint: its certificate is not trusted or not for the name, versions or ciphers do not meet, or the policy is invalid. Never sent as plain text instead.',
  },
  'upstream-reset': {
    status: 502,
    flag: 'UC',
    about: 'The endpoint closed the connection before its answer was complete.',
  },
  'upstream-protocol-error': { status: 502, flag: 'UPE', about: 'The answer of the endpoint is not valid HTTP.' },
  'upstream-timeout': { status: 504, flag: 'UT', about: 'The request or the try took longer than its timeout.' },
  redirect: { status: 302, flag: '-', about: 'A redirect filter answered; the status is the one of the filter.' },
  preflight: { status: 204, flag: '-', about: 'A CORS filter answered a preflight request.' },
  'max-forwards': {
    status: 204,
    flag: '-',
    about:
      'Max-Forwards of an OPTIONS request is 0, and Heddle answers for whoever comes behind (RFC 9110 section 7.6.2).',
  },
  'rate-limited': { status: 429, flag: 'RL', about: 'A rate limit of the rule has no request left for this client.' },
  'auth-denied': { status: 403, flag: 'UAEX', about: 'The external authorization of the rule refused the request.' },
  'auth-unavailable': {
    status: 403,
    flag: 'UAEX',
    about: 'The external authorization of the rule could not be asked, and without consent nothing passes.',
  },
  'policy-denied': {
    status: 403,
    flag: '-',
    about:
      'NetworkPolicies do not let the caller connect to the endpoint that was chosen, or nobody can tell; with the kernel tier only.',
  },
  'injected-fault': { status: 503, flag: 'FI', about: 'A fault filter answered; the status is the one of the filter.' },
  'direct-response': { status: 200, flag: '-', about: 'A direct response filter answered; the status is its own.' },
  'plugin-response': { status: 200, flag: '-', about: 'A plugin of the rule answered; the status is its own.' },
  'plugin-failed': {
    status: 503,
    flag: '-',
    about: 'A plugin of the rule failed, or has not started, and its failure strategy lets nothing pass then.',
  },
  draining: { status: 503, flag: 'LR', about: 'The agent is stopping and the request came after the drain deadline.' },
  internal: { status: 500, flag: 'LR', about: 'A defect of Heddle; the agent log has the cause.' },
} as const

export type ReplyReason = keyof typeof localReplies
