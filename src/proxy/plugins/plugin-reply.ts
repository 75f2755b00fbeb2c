import type { ReplyReason } from '../../model/index.ts'
import type { LocalReply } from '../pipeline/local-reply-text.ts'
import type { PluginAnswer } from './http-plugins.ts'

/** What `ExchangeRecord.answerOurselves` takes. @param lines  of the rule, each with its CRLF */
export function replyOfPlugin(
  answer: PluginAnswer,
  lines: string,
): [reason: ReplyReason, status: number, parts: Pick<LocalReply, 'detail' | 'lines' | 'body'>] {
  const { status, details, cause, headers, body } = answer
  const fields = [...headers].filter(([name]) => !ours.has(name)).map(([name, value]) => `${name}: ${value}\r\n`)
  const isTooLarge = cause === 'failure' && status === 413
  const reason = isTooLarge ? 'payload-too-large' : cause === 'failure' ? 'plugin-failed' : 'plugin-response'
  const given = cause === 'failure' ? undefined : body
  return [reason, status, { detail: details, lines: lines + fields.join(''), body: given }]
}

/** What is said of the answer's form is not the plugin's to say. */
const ours: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', ':status'])
