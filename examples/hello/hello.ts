import { createServer } from 'node:http'

createServer((request, response) => {
  response.end(`Hello! You asked for ${request.url}, and your request is ${String(request.headers['x-request-id'])}.\n`)
}).listen(Number(process.env['PORT']), '127.0.0.1')
