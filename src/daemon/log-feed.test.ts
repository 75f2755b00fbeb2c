import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogFeed } from './log-feed.ts'
import type { LogLine } from './log-feed.ts'

const line = (text: string): LogLine => ({ timeMs: 0, source: 'shop/a', stream: 'stdout', text })

test('LogFeed asks for the access log only while somebody follows', () => {
  const followed: boolean[] = []
  const feed = new LogFeed(isFollowed => followed.push(isFollowed))
  const seen: string[] = []
  const first = feed.follow(({ text }) => seen.push(text))
  const second = feed.follow(() => {})
  feed.push(line('a'))
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  feed.push(line('b'))
  assert.deepEqual(followed, [true])
  second[Symbol.dispose]()
  assert.deepEqual([followed, seen], [[true, false], ['a']])
})

test('LogFeed keeps the newest thousand lines', () => {
  const feed = new LogFeed(() => {})
  for (let at = 0; at < 3_500; at++) feed.push(line(String(at)))
  assert.deepEqual([feed.recent().length, feed.recent()[0]?.text, feed.recent().at(-1)?.text], [1_000, '2500', '3499'])
  assert.deepEqual(
    feed.recent(2).map(each => each.text),
    ['3498', '3499'],
  )
  assert.deepEqual(feed.recent(0), [])
})
