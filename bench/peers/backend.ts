/** What all contestants forward to: nginx with one worker and static answers, on two ports. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Program } from '../processes.ts'
import type { SceneMutual } from './contestant.ts'

export const bodies = {
  '30 B': 30,
  small: 100,
  '1 KB': 1024,
  '10 KB': 10_240,
  '60 KB': 61_440,
  '1 MB': 1_048_576,
} as const

/** @param mutual  other ports, on which clients must show a certificate */
export async function startBackend(
  folder: string,
  ports: readonly number[],
  mutual?: SceneMutual & { readonly ports: readonly number[] },
): Promise<Program> {
  const home = join(folder, 'backend')
  await mkdir(join(home, 'files'), { recursive: true })
  for (const [name, bytes] of Object.entries(bodies)) {
    await writeFile(join(home, 'files', fileOf(name)), 'x'.repeat(bytes))
  }
  const configuration = join(home, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; ${runAs()}worker_processes 1; worker_rlimit_nofile 16384; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  open_file_cache max=100; open_file_cache_valid 1h;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server {
    ${ports.map(port => `listen 127.0.0.1:${port} backlog=4096;`).join(' ')}
    ${(mutual?.ports ?? []).map(port => `listen 127.0.0.1:${port} ssl backlog=4096;`).join(' ')}
    ${mutual === undefined ? '' : sslOf(mutual)}
    root ${home}/files;
    location / { rewrite ^/service-[0-9]+/(.*)$ /$1 break; }
    location ~ ^/service-[0-9]+/small$ { return 200 "${'x'.repeat(bodies.small)}"; }
    location ~ ^/service-[0-9]+/30b$ { return 200 "${'x'.repeat(bodies['30 B'])}"; }
  }
}
`,
  )
  const program = Program.start('backend', ['nginx', '-c', configuration, '-p', home], {
    place: 'load',
    logPath: join(home, 'output'),
  })
  return program.answers(`http://127.0.0.1:${ports[0]}/service-1/small`)
}

function sslOf({ authority, endpoint }: SceneMutual): string {
  const own = `ssl_certificate ${endpoint.chain}; ssl_certificate_key ${endpoint.key}; ssl_protocols TLSv1.3;`
  return `${own} ssl_client_certificate ${authority}; ssl_verify_client on;`
}

/** Started by root, nginx would become another user, who can't read a folder that only its owner can enter. */
export function runAs(): string {
  return process.getuid?.() === 0 ? 'user root; ' : ''
}

/** Last part of the path that asks for a body. */
export function fileOf(body: string): string {
  return body.replace(' ', '').toLowerCase()
}
