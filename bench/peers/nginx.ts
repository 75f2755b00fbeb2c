import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, Program } from '../processes.ts'
import { runAs } from './backend.ts'
import { contestant } from './contestant.ts'
import type { Contestant, Scene, SceneMutual } from './contestant.ts'

/** It speaks HTTP/2 to endpoints of gRPC only; to others it speaks HTTP/1.1, whatever the scene wants. */
export async function startNginx(scene: Scene): Promise<Contestant> {
  const home = join(scene.folder, 'nginx')
  await mkdir(home, { recursive: true })
  const [port = 0] = await freePorts(1)
  const configuration = join(home, 'nginx.conf')
  const { tls } = scene
  const protocol = `${tls === undefined ? '' : ' ssl'}${scene.clients === 'http2' ? ' http2' : ''}`
  const pass =
    scene.endpoints === 'grpc'
      ? 'grpc_pass grpc://endpoints'
      : `proxy_pass ${scene.mutual === undefined ? 'http' : 'https'}://endpoints`
  await writeFile(
    configuration,
    `${scene.lua === undefined ? '' : luaModules}daemon off; ${runAs()}worker_processes 1; worker_rlimit_nofile 16384; pid ${home}/pid; error_log ${home}/error.log;
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
    ${portsFor(scene)
      .map(endpoint => `server 127.0.0.1:${endpoint};`)
      .join(' ')}
    keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Request-Id $request_id;
  proxy_max_temp_file_size 0;
  grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  grpc_set_header X-Forwarded-Proto $scheme;
  grpc_set_header X-Request-Id $request_id;
  ${scene.mutual === undefined ? '' : sslOf(scene.mutual)}
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m; ssl_session_tickets on;
  server {
    listen 127.0.0.1:${port}${protocol} backlog=4096;
    ${tls === undefined ? '' : `ssl_certificate ${tls.chain}; ssl_certificate_key ${tls.key};`}
    ${scene.lua === undefined ? '' : `rewrite_by_lua_block {${scene.lua}\n    }`}
    ${scene.routes.map(path => `location ${path}/ { ${pass}; }`).join('\n    ')}
    location = /stub { stub_status; }
  }
}
`,
  )
  const program = Program.start('nginx', ['nginx', '-c', configuration, '-p', home], {
    place: 'proxy',
    logPath: join(home, 'output'),
  })
  return contestant('nginx', scene, port, program)
}

/** Beside its kit of tools, without which it does not load. */
const luaModules = `load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
`

function sslOf({ authority, name, client }: SceneMutual): string {
  const own = `proxy_ssl_certificate ${client.chain}; proxy_ssl_certificate_key ${client.key}; proxy_ssl_protocols TLSv1.3;`
  const verify = `proxy_ssl_trusted_certificate ${authority}; proxy_ssl_verify on;`
  return `${own} ${verify} proxy_ssl_name ${name}; proxy_ssl_server_name on; proxy_ssl_session_reuse on;`
}

function portsFor({ endpoints, endpointPorts, http1Ports = endpointPorts }: Scene): readonly number[] {
  return endpoints === 'h2c' ? http1Ports : endpointPorts
}
