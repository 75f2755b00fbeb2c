import type { GuestFunction } from '../engine/engine.ts'

/** Of one of the two messages of an exchange. */
export interface MessageCallbacks {
  readonly headers: GuestFunction | undefined
  readonly body: GuestFunction | undefined
  readonly trailers: GuestFunction | undefined
}

/** The callbacks of an instance; SDKs export them all, whatever the plugin uses. */
export interface Callbacks {
  readonly onContextCreate: GuestFunction | undefined
  readonly onVmStart: GuestFunction | undefined
  readonly onConfigure: GuestFunction | undefined
  readonly onTick: GuestFunction | undefined
  readonly onQueueReady: GuestFunction | undefined
  readonly onNewConnection: GuestFunction | undefined
  readonly onDownstreamData: GuestFunction | undefined
  readonly onUpstreamData: GuestFunction | undefined
  readonly onDownstreamClose: GuestFunction | undefined
  readonly onUpstreamClose: GuestFunction | undefined
  readonly request: MessageCallbacks
  readonly response: MessageCallbacks
  readonly onHttpCallResponse: GuestFunction | undefined
  readonly onGrpcInitialMetadata: GuestFunction | undefined
  readonly onGrpcMessage: GuestFunction | undefined
  readonly onGrpcTrailingMetadata: GuestFunction | undefined
  readonly onGrpcClose: GuestFunction | undefined
  readonly onForeignFunction: GuestFunction | undefined
  readonly onDone: GuestFunction | undefined
  readonly onLog: GuestFunction | undefined
  readonly onDelete: GuestFunction | undefined
}

export function callbacksOf(find: (name: string) => GuestFunction | undefined): Callbacks {
  return {
    onContextCreate: find('proxy_on_context_create'),
    onVmStart: find('proxy_on_vm_start'),
    onConfigure: find('proxy_on_configure'),
    onTick: find('proxy_on_tick'),
    onQueueReady: find('proxy_on_queue_ready'),
    onNewConnection: find('proxy_on_new_connection'),
    onDownstreamData: find('proxy_on_downstream_data'),
    onUpstreamData: find('proxy_on_upstream_data'),
    onDownstreamClose: find('proxy_on_downstream_connection_close'),
    onUpstreamClose: find('proxy_on_upstream_connection_close'),
    request: messageCallbacks('request', find),
    response: messageCallbacks('response', find),
    onHttpCallResponse: find('proxy_on_http_call_response'),
    onGrpcInitialMetadata: find('proxy_on_grpc_receive_initial_metadata'),
    onGrpcMessage: find('proxy_on_grpc_receive'),
    // The AssemblyScript SDKs export the first under the second name.
    onGrpcTrailingMetadata: find('proxy_on_grpc_receive_trailing_metadata') ?? find('proxy_on_grpc_trailing_metadata'),
    onGrpcClose: find('proxy_on_grpc_close'),
    onForeignFunction: find('proxy_on_foreign_function'),
    onDone: find('proxy_on_done'),
    onLog: find('proxy_on_log'),
    onDelete: find('proxy_on_delete'),
  }
}

function messageCallbacks(
  message: 'request' | 'response',
  find: (name: string) => GuestFunction | undefined,
): MessageCallbacks {
  return {
    headers: find(`proxy_on_${message}_headers`),
    body: find(`proxy_on_${message}_body`),
    trailers: find(`proxy_on_${message}_trailers`),
  }
}
