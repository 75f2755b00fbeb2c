import { createHash } from 'node:crypto'
import { pageFrame } from './page-frame.ts'
import { pageStyle } from './page-style.ts'
import * as configuration from './page/configuration.ts'
import * as elements from './page/elements.ts'
import * as format from './page/format.ts'
import * as layout from './page/layout.ts'
import * as main from './page/main.ts'
import * as picture from './page/picture.ts'
import * as services from './page/services.ts'

/** Everything under `page/` that runs in the browser: functions that use each other and the browser, nothing else. */
const pageModules: readonly Readonly<Record<string, (...values: never[]) => unknown>>[] = [
  elements,
  format,
  layout,
  picture,
  services,
  configuration,
  main,
]

/** The script of the page: the source of those functions, in one scope. */
export function pageScript(): string {
  const sources = pageModules.flatMap(module => Object.values(module).map(String))
  return `'use strict';\n${sources.join('\n')}\nstartPage();\n`
}

/**
 * The status page, one document that asks for nothing but `status.json` beside
 * it (a `StatusDocument`). The same text every time.
 */
export function renderConsole(): string {
  return pageFrame(pageStyle, pageScript())
}

/** What to send with the page. Its one script and one style are allowed by their hashes, everything else is not. */
export function consoleHeaders(): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(pageScript())}'`,
    `style-src '${hashOf(pageStyle)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  }
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
