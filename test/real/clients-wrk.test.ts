import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ProxyProcess } from '../support/clients-process.ts'
import { echoServer } from '../support/clients-echo.ts'

const wrk = '/usr/bin/wrk'
const hasWrk = existsSync(wrk)
if (!hasWrk && (process.env.HEDDLE_TEST_REQUIRE ?? '').includes('clients')) throw new Error(`${wrk} is required`)

describe('wrk', { skip: hasWrk ? false : `${wrk} is not there`, timeout: 30_000 }, () => {
  for (const connections of [1, 64, 512]) {
    it(`sees no error over ${connections} connections`, async t => {
      await using echo = await echoServer()
      await using proxy = await ProxyProcess.start({
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [echo.port] } },
      })
      const args = ['-t', '1', '-c', String(connections), '-d', '2s', `http://127.0.0.1:${proxy.port}/hello`]
      const { stdout } = await promisify(execFile)(wrk, args, { encoding: 'utf8' })
      const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
      t.diagnostic(`${requests} requests in 2 s, with an endpoint of node:http on the same processors`)
      assert.ok(requests > 0)
      assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout)
      const after = await proxy.until(figures => figures.gauges.heddle_downstream_connections === 0)
      assert.equal(after.activeRequests, 0)
    })
  }
})
