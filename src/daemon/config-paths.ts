import { existsSync } from 'node:fs'
import { formatProblem, MeshError } from '../core/index.ts'
import type { Problem } from '../core/index.ts'

/** The part of the file source that is asked here. */
export interface EmptyPaths {
  emptyPaths(): readonly string[]
}

/** Paths without any resource: somebody who names one has most likely mistyped it. */
export function emptyPathProblems(source: EmptyPaths): readonly Problem[] {
  return source.emptyPaths().map(file => ({
    severity: 'error',
    path: '',
    file,
    message: 'holds no resource: name a file with resources, or a directory with .yaml, .yml or .json files',
  }))
}

/**
 * An agent does not start with a path that gives it nothing: it would look
 * well and carry no traffic. Later a path may vanish and come back, and the last
 * good configuration stays.
 *
 * @throws MeshError MESH_CONFIG_PATH with every such path
 */
export function requirePaths(paths: readonly string[], source: EmptyPaths): void {
  const missing = paths
    .filter(path => !existsSync(path))
    .map((file): Problem => ({ severity: 'error', path: '', file, message: 'does not exist' }))
  const problems = [...missing, ...emptyPathProblems(source).filter(({ file }) => existsSync(file ?? ''))]
  if (problems.length === 0) return
  throw new MeshError('MESH_CONFIG_PATH', problems.map(formatProblem).join('\n'), {
    source: 'config',
    hint: 'heddle check -f PATH tells what a path holds',
  })
}
