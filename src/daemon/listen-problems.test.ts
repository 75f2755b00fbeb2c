import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listener } from '../model/index.ts'
import { listenProblems } from './listen-problems.ts'

test('listenProblems() names every Gateway and Service whose listener is closed, once', () => {
  const listener = (id: string, ...hosts: string[]): [string, Listener] => {
    const virtualHosts = hosts.map(host => ({
      id: host,
      hostname: undefined,
      certificates: [],
      tls: undefined,
      clientCertificate: undefined,
    }))
    return [id, { id, address: '', port: 0, kind: 'gateway', protocol: 'HTTP', virtualHosts }]
  }
  const listeners = new Map([
    listener('127.0.0.1:80', 'Gateway shop/web/http', 'Gateway shop/web/other', 'Gateway shop/api/http'),
    listener('127.77.0.1:9080', 'Service shop/reviews:9080'),
    listener('127.0.0.1:81', 'Gateway shop/web/fine'),
  ])
  const failures = new Map([
    ['127.0.0.1:80', 'taken'],
    ['127.77.0.1:9080', 'taken'],
  ])
  assert.deepEqual(
    listenProblems(failures, listeners).map(({ resource, message }) => `${resource}: ${message}`),
    [
      'Gateway shop/web: cannot listen on 127.0.0.1:80: taken',
      'Gateway shop/api: cannot listen on 127.0.0.1:80: taken',
      'Service shop/reviews: cannot listen on 127.77.0.1:9080: taken',
    ],
  )
})
