/** A reporter of Node's test runner: the files in which a test failed, a line each. */
import type { TestEvent } from 'node:test/reporters'

export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const seen = new Set<string>()
  for await (const event of events) {
    if (event.type !== 'test:fail') continue
    const file = event.data.file ?? event.data.name
    if (seen.has(file)) continue
    seen.add(file)
    yield `${file}\n`
  }
}
