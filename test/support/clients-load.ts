import http from 'node:http'
import { Pool } from 'undici'
import { parseAnswer, RawClient } from './raw.ts'

export interface Tally {
  readonly asked: number
  readonly answered: number
  /** What went wrong, in words; empty when every request was answered as it should be. */
  readonly lost: readonly string[]
}

/** A client that asks again and again until it is told to stop. */
export interface Load {
  /** Ends after the requests under way. */
  stop(): Promise<Tally>
}

/** One request for `path`. @returns the body of an answer with status 200, otherwise what came */
type Ask = (path: string, body: string) => Promise<string>

/** Runs `lanes` requests at a time until stopped; every answer must be its request's path and length of body. */
function run(name: string, lanes: number, ask: Ask, close: () => Promise<void>): Load {
  let isStopping = false
  let asked = 0
  let answered = 0
  const lost: string[] = []
  const lane = async (number: number): Promise<void> => {
    for (let round = 0; !isStopping; round++) {
      const path = `/${name}/${number}/${round}`
      const body = round % 4 === 3 ? 'x'.repeat((round % 7) * 100 + 1) : ''
      asked++
      try {
        const got = await ask(path, body)
        const wanted = `${path}${body === '' ? '' : `+${body.length}`}`
        if (got === wanted) answered++
        else lost.push(`${path}: ${got}`)
      } catch (error) {
        lost.push(`${path}: ${String(error)}`)
      }
    }
  }
  const all = Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  return {
    async stop() {
      isStopping = true
      await all
      await close()
      return { asked, answered, lost }
    },
  }
}

export function undiciLoad(port: number, lanes: number): Load {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: lanes })
  const ask: Ask = async (path, body) => {
    const { statusCode, body: answer } = await pool.request(
      body === '' ? { path, method: 'GET' } : { path, method: 'POST', body },
    )
    const text = await answer.text()
    return statusCode === 200 ? text : `${statusCode} ${text}`
  }
  return run('undici', lanes, ask, async () => pool.close())
}

export function httpLoad(port: number, lanes: number): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: lanes })
  const ask: Ask = async (path, body) =>
    new Promise((resolve, reject) => {
      const request = http.request(
        { host: '127.0.0.1', port, path, agent, method: body === '' ? 'GET' : 'POST' },
        response => {
          let text = ''
          response.setEncoding('latin1')
          response.on('data', (piece: string) => (text += piece))
          response.on('end', () => resolve(response.statusCode === 200 ? text : `${response.statusCode} ${text}`))
          response.on('error', reject)
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  return run('http', lanes, ask, async () => {
    agent.destroy()
    await Promise.resolve()
  })
}

/** Kept-alive connections of our own: the next request leaves the moment the answer is there. */
export function rawLoad(port: number, lanes: number): Load {
  const clients = new Map<string, RawClient>()
  const ask: Ask = async (path, body) => {
    const lane = path.slice(0, path.lastIndexOf('/'))
    let client = clients.get(lane)
    if (client === undefined) {
      client = await RawClient.open(port)
      clients.set(lane, client)
    }
    const framing = body === '' ? '' : `Content-Length: ${body.length}\r\n`
    client.write(`${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nHost: a\r\n${framing}\r\n${body}`)
    await client.receive(text => parseAnswer(text) !== undefined)
    const answer = parseAnswer(client.take())
    if (answer?.headers.get('connection') === 'close') {
      clients.delete(lane)
      await client.receiveAll()
    }
    return answer?.status === 200 ? answer.body : `${answer?.status} ${answer?.body}`
  }
  return run('raw', lanes, ask, async () => {
    for (const client of clients.values()) await client[Symbol.asyncDispose]()
  })
}
