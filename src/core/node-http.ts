import type http from 'node:http'

/**
 * node:http, asked for rather than imported: for an import Node reads all that a module exports, and with WebSocket among it
 * loads a client of its own that we never use, which takes every thread that starts 20 ms or more.
 */
export const nodeHttp: typeof http = process.getBuiltinModule('node:http')
