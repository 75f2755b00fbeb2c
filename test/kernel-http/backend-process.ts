/** A `Backend` in a process of its own: tells its port, and ends with its parent. */
import { Backend } from './backend.ts'

const backend = await Backend.open()
process.send?.(backend.port)
process.on('disconnect', () => process.exit())
