import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Program } from '../processes.ts'
import { runAs } from './backend.ts'
import type { Contestant, Scene } from './contestant.ts'

export async function startNginx(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'nginx')
  await mkdir(home, { recursive: true })
  const [port = 0] = await freePorts(1)
  const configuration = join(home, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; ${runAs()}worker_processes 1; worker_rlimit_nofile 16384; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 8192; }
http {
  log_format long '$time_iso8601 $remote_addr "$request" $status $bytes_sent $request_time $upstream_response_time '
    '$upstream_addr $request_id "$http_user_agent"';
  access_log ${home}/access.log long buffer=64k flush=1s;
  tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  upstream endpoints {
    random two least_conn;
    ${scene.endpointPorts.map(endpoint => `server 127.0.0.1:${endpoint};`).join(' ')}
    keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Request-Id $request_id;
  proxy_max_temp_file_size 0;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${scene.routes.map(path => `location ${path}/ { proxy_pass http://endpoints; }`).join('\n    ')}
    location = /stub { stub_status; }
  }
}
`,
  )
  const program = Program.start('nginx', ['nginx', '-c', configuration, '-p', home], {
    place: 'proxy',
    logPath: join(home, 'output'),
  })
  await program.answers(`http://127.0.0.1:${port}${scene.routes[0]}/small`)
  return { name: 'nginx', host: '127.0.0.1', port, program }
}
