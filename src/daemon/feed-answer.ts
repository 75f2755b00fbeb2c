import type { ServerResponse } from 'node:http'
import type { Feed } from './feed.ts'

/** A follower that does not read loses entries rather than fill the agent's memory. */
const maxBacklogBytes = 1024 * 1024

export interface FeedQuery<Entry> {
  readonly isWanted: (entry: Entry) => boolean
  /** So many earlier ones first. */
  readonly count: number
  readonly isFollowed: boolean
  /** What stands for entries that a slow follower has lost, before `next`. */
  readonly lost: (count: number, next: Entry) => Entry
}

/** Writes entries as lines of JSON behind a head that is written already; of a follower until it goes. */
export function sendFeed<Entry>(response: ServerResponse, feed: Feed<Entry>, query: FeedQuery<Entry>): void {
  const write = (entry: Entry): unknown => response.write(`${JSON.stringify(entry)}\n`)
  const kept = feed.recent().filter(query.isWanted)
  for (const entry of query.count === 0 ? [] : kept.slice(-query.count)) write(entry)
  if (!query.isFollowed) {
    response.end()
    return
  }
  let lost = 0
  const follower = feed.follow(entry => {
    if (!query.isWanted(entry)) return
    if (response.writableLength > maxBacklogBytes) {
      lost++
      return
    }
    if (lost > 0) write(query.lost(lost, entry))
    lost = 0
    write(entry)
  })
  response.once('close', () => follower[Symbol.dispose]())
}
