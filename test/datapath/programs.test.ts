import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { folderOf } from '../support/programs.ts'
import { until } from '../support/until.ts'
import { endpoint, MemberMesh, serviceOf } from './member-mesh.ts'
import { datapathSkip, serve } from './world.ts'
import { freePort } from '../support/ports.ts'

const skip = datapathSkip('dig', 'wget', 'redis-server', 'redis-cli', 'postgres', 'psql', 'perl')

const java = `
import java.net.URI;
import java.net.http.*;
class Get {
  public static void main(String[] urls) throws Exception {
    for (var url : urls) {
      var request = HttpRequest.newBuilder(URI.create(url)).build();
      System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
  }
}`

const go = `package main

import ("fmt"; "io"; "net/http"; "os")

func main() {
	for _, url := range os.Args[1:] {
		answer, err := http.Get(url)
		if err != nil { panic(err) }
		body, _ := io.ReadAll(answer.Body)
		fmt.Println(string(body))
	}
}`

const urls = ['http://web:8080/', 'http://web.shop:8080/', 'http://raw/', 'http://raw.shop.svc.cluster.local/']
const list = JSON.stringify(urls)

/** Each prints what the servers at all URLs answer, and whatever else it likes. */
const clients: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  curl: () => ['curl', '-sS', '-m', '10', ...urls],
  'curl by IPv6': () => ['curl', '-6', '-sS', '-m', '10', ...urls],
  wget: () => ['wget', '-q', '-T', '10', '-t', '1', '-O', '-', ...urls],
  'urllib of Python': () => [
    'python3',
    '-c',
    `import urllib.request as r\nfor u in ${list}: print(r.urlopen(u, timeout=10).read().decode())`,
  ],
  'http of Node': () => [
    process.execPath,
    '-e',
    `for (const u of ${list}) require('http').get(u, a => a.on('data', d => console.log('' + d)))`,
  ],
  'fetch of Node': () => [
    process.execPath,
    '-e',
    `for (const u of ${list}) fetch(u).then(a => a.text()).then(console.log)`,
  ],
  perl: () => [
    'perl',
    '-MIO::Socket::INET',
    '-e',
    `for (@ARGV) { m{//([^:/]+):?(\\d*)}; my $s = IO::Socket::INET->new(PeerAddr => $1, PeerPort => $2 || 80, Timeout => 10) or die $@; print $s "GET / HTTP/1.0\\r\\nHost: $1\\r\\n\\r\\n"; print <$s>, "\\n" }`,
    ...urls,
  ],
}

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-programs-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A server that nobody here wrote; resolves when somebody listens on its port. */
async function program(
  t: TestContext,
  command: readonly string[],
  { port, uid, folder }: { port: number; uid?: number; folder: string },
): Promise<void> {
  const [name = '', ...args] = command
  const user = uid === undefined ? {} : { uid, gid: uid }
  if (uid !== undefined) chownSync(folder, uid, uid)
  const child = spawn(name, args, { cwd: folder, stdio: 'ignore', ...user })
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  const listens = async (): Promise<boolean> => {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } finally {
      socket.destroy()
    }
  }
  await until(listens, { intervalMs: 50, timeoutMs: 30_000 })
}

test('programs nobody here wrote reach Services by their names, unchanged', { skip, timeout: 200_000 }, async t => {
  const answer = await serve(t, 'the-answer')
  const [redisPort, postgresPort] = [await freePort(), await freePort()]
  const folder = scratch(t)
  await program(t, ['redis-server', '--port', `${redisPort}`, '--bind', '127.0.0.1', '--save', ''], {
    port: redisPort,
    folder,
  })
  const bin = folderOf('postgres')
  const script = `'${bin}/initdb' -D data -U test -A trust >initdb.log && exec '${bin}/postgres' -D data -p ${postgresPort} -c listen_addresses=127.0.0.1 -c unix_socket_directories=`
  const uid = process.getuid?.() === 0 ? Number(execFileSync('id', ['-u', 'postgres']).toString()) : undefined
  await program(t, ['sh', '-c', script], {
    port: postgresPort,
    folder: scratch(t),
    ...(uid === undefined ? {} : { uid }),
  })
  await using each = await MemberMesh.create(t, [
    serviceOf('web', '{port: 8080, appProtocol: http}'),
    endpoint('web', answer.port),
    serviceOf('raw', '{port: 80, appProtocol: tcp}'),
    endpoint('raw', answer.port),
    serviceOf('cache', '{port: 6379, appProtocol: tcp}'),
    endpoint('cache', redisPort),
    serviceOf('db', '{port: 5432, appProtocol: tcp}'),
    endpoint('db', postgresPort),
  ])
  await each.up()
  const run = async (command: readonly string[]): Promise<string> => {
    const words = ['run', '-n', 'shop', '--label', 'app=client', '--', ...command]
    const { code, stdout, stderr } = await each.mesh.run(...words)
    assert.equal(code, 0, stderr)
    return stdout.trim()
  }
  const answersAll = async (command: readonly string[]): Promise<void> => {
    const output = await run(command)
    assert.equal(output.split('the-answer').length - 1, urls.length, output)
  }

  for (const [name, command] of Object.entries(clients)) {
    await t.test(`${name}, of HTTP by the proxy and of TCP by the kernel`, () => answersAll(command(folder)))
  }

  const hasRequests = spawnSync('python3', ['-c', 'import requests']).status === 0
  await t.test('requests of Python', { skip: hasRequests ? false : 'needs python3-requests' }, async () => {
    const code = `import requests\nfor u in ${list}: print(requests.get(u, timeout=10).text)`
    await answersAll(['python3', '-c', code])
  })

  await t.test('java', { skip: folderOf('javac') !== undefined ? false : 'needs a JDK' }, async () => {
    writeFileSync(join(folder, 'Get.java'), java)
    await answersAll(['java', join(folder, 'Get.java'), ...urls])
  })

  await t.test('go, with its own resolver', { skip: folderOf('go') !== undefined ? false : 'needs Go' }, async () => {
    writeFileSync(join(folder, 'get.go'), go)
    const built = spawnSync('go', ['build', '-o', 'get', 'get.go'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, CGO_ENABLED: '0', GO111MODULE: 'off' },
    })
    assert.equal(built.status, 0, built.stderr)
    await answersAll([join(folder, 'get'), ...urls])
  })

  await t.test('redis-cli', async () => {
    const words = ['set greeting hello', 'get greeting'].map(word => `redis-cli -h cache ${word}`)
    assert.equal(await run(['sh', '-c', words.join(' && ')]), 'OK\nhello')
  })

  await t.test('psql', async () => {
    const query = 'select sum(n) from generate_series(1, 100000) n'
    assert.equal(await run(['psql', '-Atc', query, 'host=db.shop user=test dbname=postgres']), '5000050000')
  })

  await t.test('dig', async () => {
    const { services } = await each.mesh.status()
    const address = services.find(({ key }) => key === 'shop/cache:6379')?.address?.split(':')[0]
    assert.equal(await run(['dig', '+short', '+tries=1', 'cache']), address)
  })
})
