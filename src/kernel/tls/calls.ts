import { MeshError } from '../../core/index.ts'
import { NativeCalls } from '../syscall.ts'

/**
 * What TLS needs of OpenSSL, which Node carries and exports. The calls of every
 * message have at most three arguments: their wrappers compile into the caller.
 * Addresses go as plain numbers, which are cheaper than pointers, and `size_t` of what never reaches 2^32 has 32 bits.
 */
const definitions = {
  OpenSSL_version: { return: 'uint64', arguments: ['int32'] },
  TLS_server_method: { return: 'uint64', arguments: [] },
  TLS_client_method: { return: 'uint64', arguments: [] },
  SSL_CTX_new: { return: 'uint64', arguments: ['uint64'] },
  SSL_CTX_free: { return: 'void', arguments: ['uint64'] },
  SSL_CTX_ctrl: { return: 'int64', arguments: ['uint64', 'int32', 'int64', 'uint64'] },
  SSL_CTX_set_options: { return: 'uint64', arguments: ['uint64', 'uint64'] },
  SSL_CTX_set_timeout: { return: 'int64', arguments: ['uint64', 'int64'] },
  SSL_CTX_set_cipher_list: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_CTX_set_ciphersuites: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_CTX_use_certificate: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_CTX_use_PrivateKey: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_CTX_get_cert_store: { return: 'uint64', arguments: ['uint64'] },
  SSL_CTX_add_client_CA: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_CTX_set_verify: { return: 'void', arguments: ['uint64', 'int32', 'uint64'] },
  SSL_CTX_set_session_id_context: { return: 'int32', arguments: ['uint64', 'uint64', 'uint32'] },
  SSL_CTX_set_alpn_select_cb: { return: 'void', arguments: ['uint64', 'uint64', 'uint64'] },
  X509_STORE_add_cert: { return: 'int32', arguments: ['uint64', 'uint64'] },
  X509_free: { return: 'void', arguments: ['uint64'] },
  i2d_X509: { return: 'int32', arguments: ['uint64', 'uint64'] },
  X509_verify_cert_error_string: { return: 'uint64', arguments: ['int64'] },
  EVP_PKEY_free: { return: 'void', arguments: ['uint64'] },
  PEM_read_bio_X509: { return: 'uint64', arguments: ['uint64', 'uint64', 'uint64', 'uint64'] },
  PEM_read_bio_PrivateKey: { return: 'uint64', arguments: ['uint64', 'uint64', 'uint64', 'uint64'] },
  BIO_new_mem_buf: { return: 'uint64', arguments: ['uint64', 'int32'] },
  BIO_s_mem: { return: 'uint64', arguments: [] },
  BIO_new: { return: 'uint64', arguments: ['uint64'] },
  BIO_up_ref: { return: 'int32', arguments: ['uint64'] },
  BIO_free: { return: 'int32', arguments: ['uint64'] },
  BIO_read: { return: 'int32', arguments: ['uint64', 'uint64', 'int32'] },
  BIO_write: { return: 'int32', arguments: ['uint64', 'uint64', 'int32'] },
  BIO_ctrl: { return: 'int64', arguments: ['uint64', 'int32', 'int64', 'uint64'] },
  BIO_ctrl_pending: { return: 'uint32', arguments: ['uint64'] },
  SSL_new: { return: 'uint64', arguments: ['uint64'] },
  SSL_free: { return: 'void', arguments: ['uint64'] },
  SSL_set_bio: { return: 'void', arguments: ['uint64', 'uint64', 'uint64'] },
  SSL_set_accept_state: { return: 'void', arguments: ['uint64'] },
  SSL_set_connect_state: { return: 'void', arguments: ['uint64'] },
  SSL_ctrl: { return: 'int64', arguments: ['uint64', 'int32', 'int64', 'uint64'] },
  SSL_set_alpn_protos: { return: 'int32', arguments: ['uint64', 'uint64', 'uint32'] },
  SSL_do_handshake: { return: 'int32', arguments: ['uint64'] },
  SSL_read: { return: 'int32', arguments: ['uint64', 'uint64', 'int32'] },
  SSL_write: { return: 'int32', arguments: ['uint64', 'uint64', 'int32'] },
  SSL_shutdown: { return: 'int32', arguments: ['uint64'] },
  SSL_get_error: { return: 'int32', arguments: ['uint64', 'int32'] },
  SSL_want: { return: 'int32', arguments: ['uint64'] },
  SSL_get_version: { return: 'uint64', arguments: ['uint64'] },
  SSL_get_current_cipher: { return: 'uint64', arguments: ['uint64'] },
  SSL_CIPHER_get_name: { return: 'uint64', arguments: ['uint64'] },
  SSL_session_reused: { return: 'int32', arguments: ['uint64'] },
  SSL_get_verify_result: { return: 'int32', arguments: ['uint64'] },
  SSL_get_certificate: { return: 'uint64', arguments: ['uint64'] },
  SSL_get1_peer_certificate: { return: 'uint64', arguments: ['uint64'] },
  SSL_get0_alpn_selected: { return: 'void', arguments: ['uint64', 'uint64', 'uint64'] },
  SSL_get1_session: { return: 'uint64', arguments: ['uint64'] },
  SSL_set_session: { return: 'int32', arguments: ['uint64', 'uint64'] },
  SSL_SESSION_free: { return: 'void', arguments: ['uint64'] },
  SSL_SESSION_is_resumable: { return: 'int32', arguments: ['uint64'] },
  i2d_SSL_SESSION: { return: 'int32', arguments: ['uint64', 'uint64'] },
  d2i_SSL_SESSION: { return: 'uint64', arguments: ['uint64', 'uint64', 'int64'] },
  ERR_clear_error: { return: 'void', arguments: [] },
  ERR_peek_error: { return: 'uint64', arguments: [] },
  ERR_reason_error_string: { return: 'uint64', arguments: ['uint64'] },
} as const

export type OpenSslCalls = NativeCalls<typeof definitions>

/** @throws MeshError MESH_KERNEL_UNSUPPORTED when one of the functions does not exist, or may not be what we take it for */
export function openSslCalls(): OpenSslCalls {
  const calls = new NativeCalls(definitions)
  const problem = versionProblem(calls.textAt(calls.call.OpenSSL_version(versionText)), process.versions.openssl)
  if (problem === undefined) return calls
  calls[Symbol.dispose]()
  throw new MeshError('MESH_KERNEL_UNSUPPORTED', problem, {
    source: 'kernel',
    hint: 'start Heddle with the Node that came with it',
  })
}

/** OPENSSL_VERSION_STRING of crypto.h. */
const versionText = 6

/**
 * Why the functions that were found can't be used: numbers and meanings below are those of OpenSSL 3, and another
 * library of the process than Node's would have objects of its own.
 *
 * @param found  `3.5.8`; empty from libraries that are not OpenSSL
 * @param nodes  Node's, which some builds write with a suffix
 */
export function versionProblem(found: string, nodes: string | undefined): string | undefined {
  const [expected = ''] = nodes?.split('+') ?? []
  if (found === '' || found !== expected) {
    return `this process has OpenSSL ${found || '(unknown)'}, and Node OpenSSL ${expected || '(unknown)'}`
  }
  return found.startsWith('3.') ? undefined : `only OpenSSL 3 is known, and Node has ${found}`
}

/** Values of OpenSSL 3 (ssl.h, tls1.h, x509_vfy.h, bio.h). */
export const versions = { 'TLSv1.2': 0x0303n, 'TLSv1.3': 0x0304n } as const
export const ctrlMode = 33
export const ctrlSessionCacheMode = 44
export const ctrlServerName = 55
export const ctrlTicketKeys = 59
export const ctrlChainCertificate = 89
export const ctrlMinVersion = 123
export const ctrlMaxVersion = 124
/** BIO_C_GET_BUF_MEM_PTR and BIO_C_SET_BUF_MEM_EOF_RETURN of bio.h. */
export const bioGetMemory = 115
export const bioSetEndOfMemory = 130
/** An idle connection keeps no buffers. */
export const modeReleaseBuffers = 0x10n
export const opNoCompression: bigint = 1n << 17n
export const opServerPreference: bigint = 1n << 22n
export const opNoRenegotiation: bigint = 1n << 30n
export const verifyPeer = 1
export const verifyFailIfNone = 2
export const errorWantRead = 2
/** SSL_READING. */
export const wantReading = 3
export const errorZeroReturn = 6
/** What an ALPN callback answers. */
export const alpnOk = 0
export const alpnFatal = 2
export const alpnNone = 3
