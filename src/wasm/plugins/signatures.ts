import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { messageOf } from '../../core/index.ts'
import { ProtobufReader, ProtobufWriter } from '../../codec/index.ts'

/** Keys come from plugins, and the time of RSA grows with the cube of their length: these take a few milliseconds. */
const maxRsaBits = 4096

const hashFunctions: ReadonlySet<string> = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512'])

/** What both functions are given; `keyDer` and `keyPem` exclude each other. */
interface SignatureArguments {
  readonly hash: string
  readonly keyDer: Uint8Array
  readonly keyPem: string
  readonly text: Uint8Array
  readonly signature: Uint8Array
}

/** Numbers of fields in the messages of Envoy. @see envoy.source.extensions.common.wasm, verify_signature.proto, sign.proto */
const verifyFields = { hash: 1, keyDer: 2, signature: 3, text: 4, keyPem: 5 }
const signFields = { hash: 1, keyDer: 2, text: 3, keyPem: 4, signature: 0 }

/** `VerifySignatureArguments` to `VerifySignatureResult`. */
export function verifySignature(argument: Uint8Array): Uint8Array | 'bad-argument' {
  const given = read(argument, verifyFields)
  const key = given === undefined ? undefined : keyOf(given, publicKey)
  if (given === undefined || key === undefined) return 'bad-argument'
  const result = new ProtobufWriter()
  const error = attempt(given, key, () =>
    verify(given.hash, given.text, key, given.signature) ? '' : 'the signature is not of this key and text',
  )
  if (error === '') result.bool(1, true)
  else result.string(2, error)
  return result.finish()
}

/** `SignArguments` to `SignResult`. */
export function signText(argument: Uint8Array): Uint8Array | 'bad-argument' {
  const given = read(argument, signFields)
  const key = given === undefined ? undefined : keyOf(given, privateKey)
  if (given === undefined || key === undefined) return 'bad-argument'
  const result = new ProtobufWriter()
  const error = attempt(given, key, () => {
    const signature = sign(given.hash, given.text, key)
    result.bool(1, true)
    result.bytes(2, signature)
    return ''
  })
  if (error !== '') result.string(3, error)
  return result.finish()
}

function read(bytes: Uint8Array, fields: typeof verifyFields): SignatureArguments | undefined {
  const nothing: Uint8Array = new Uint8Array(0)
  let [hash, keyPem] = ['', '']
  let [keyDer, text, signature] = [nothing, nothing, nothing]
  const reader = new ProtobufReader(bytes)
  while (reader.next()) {
    if (reader.field === fields.hash) hash = reader.string()
    else if (reader.field === fields.keyPem) keyPem = reader.string()
    else if (reader.field === fields.keyDer) keyDer = reader.bytes()
    else if (reader.field === fields.text) text = reader.bytes()
    else if (reader.field === fields.signature) signature = reader.bytes()
  }
  return reader.problem === undefined ? { hash, keyDer, keyPem, text, signature } : undefined
}

function keyOf(
  { keyDer, keyPem }: SignatureArguments,
  parse: (der: Buffer, pem: string) => KeyObject,
): KeyObject | undefined {
  if ((keyDer.length === 0) === (keyPem === '')) return undefined
  try {
    return parse(Buffer.from(keyDer), keyPem)
  } catch {
    // No key of this kind: the plugin is told no more, as in Envoy.
    return undefined
  }
}

function publicKey(der: Buffer, pem: string): KeyObject {
  // Node takes certificates and private keys as well.
  if (pem !== '' && !pem.includes('-----BEGIN PUBLIC KEY-----')) throw new TypeError('no public key')
  return createPublicKey(pem === '' ? { key: der, format: 'der', type: 'spki' } : pem)
}

function privateKey(der: Buffer, pem: string): KeyObject {
  return createPrivateKey(pem === '' ? { key: der, format: 'der', type: 'pkcs8' } : pem)
}

/** @returns what went wrong; '' for nothing */
function attempt({ hash }: SignatureArguments, key: KeyObject, action: () => string): string {
  if (!hashFunctions.has(hash.toLowerCase())) return `${hash} is not supported`
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits > maxRsaBits) return `the key has ${bits} bits, more than ${maxRsaBits}`
  try {
    return action()
  } catch (error) {
    return messageOf(error)
  }
}
