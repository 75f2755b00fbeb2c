import { grpcForms } from '../../codec/index.ts'
import type { Backend } from '../../model/index.ts'

/**
 * Whether a request goes to a backend by HTTP/2, else by HTTP/1.1.
 *
 * What the port of the Service says holds for all. One that says nothing is
 * spoken HTTP/1.1 with, but for calls of gRPC, which are possible by HTTP/2
 * alone: by a GRPCRoute, or by what the request itself says it is. So a port
 * that two kinds of routes share, as servers have that tell both apart, gets
 * from each what it is made for, whichever route was there first.
 *
 * @param grpcForm  of the request, from `grpcForms`; gRPC-Web is spoken by servers of HTTP/1.1, too
 */
export function isByHttp2(
  backend: Backend | undefined,
  { isGrpcRule, grpcForm }: { readonly isGrpcRule: boolean; readonly grpcForm: number },
): boolean {
  if (backend?.protocol === 'h2c' || isGrpcRule) return true
  return grpcForm === grpcForms.grpc && backend?.isProtocolAssumed === true
}
