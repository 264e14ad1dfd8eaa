/** `/debug/pprof/...` with --enable-pprof (pkg/debugutil, net/http/pprof): what it tells of the process without a profile. */
import { refuse, write, type HttpExchange } from './http-request.ts'
import type { Mux } from './mux.ts'

const TEXT = 'text/plain; charset=utf-8'
const ROOT = '/debug/pprof/'

/** The names that Go's index lists. A process of Node has no such profiles: asked for one, it says so. */
const PROFILES = ['allocs', 'block', 'goroutine', 'heap', 'mutex', 'threadcreate']

export function handlePprof(mux: Mux): void {
  mux.handle(`${ROOT}cmdline`, (exchange) => told(exchange, [process.argv0, ...process.argv.slice(2)].join('\0')))
  mux.handle(`${ROOT}symbol`, (exchange) => told(exchange, 'num_symbols: 1\n'))
  mux.handle(ROOT, (exchange) => {
    if (exchange.path !== ROOT) return refuse(exchange, 404, 'Unknown profile')
    exchange.response.setHeader('x-content-type-options', 'nosniff')
    const rows = PROFILES.map((name) => `<tr><td>0</td><td><a href='${name}?debug=1'>${name}</a></td></tr>`)
    write(
      exchange,
      'text/html; charset=utf-8',
      `<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n<table>\n${rows.join('\n')}\n</table>\n</body>\n</html>\n`,
    )
  })
}

function told(exchange: HttpExchange, text: string): void {
  exchange.response.setHeader('x-content-type-options', 'nosniff')
  write(exchange, TEXT, text)
}
