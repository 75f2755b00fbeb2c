import type { Problem } from '../core/index.ts'
import { compileNetworkPolicies } from '../policy/index.ts'
import { FileSource } from '../sources/index.ts'
import { requirePaths } from './config-paths.ts'
import { answerQuestions } from './policy-answers.ts'
import type { PolicyQuestion, PolicyReply } from './policy-answers.ts'

/**
 * Answers by files alone, as an agent would that runs them. What is wrong in
 * them is handed back, too: a policy with mistakes closes what it selects.
 *
 * @throws MeshError MESH_CONFIG_PATH for a path without resources
 */
export async function answerFromFiles(
  paths: readonly string[],
  questions: readonly PolicyQuestion[],
): Promise<PolicyReply & { readonly problems: readonly Problem[] }> {
  await using source = await FileSource.open({ paths })
  requirePaths(paths, source)
  const { networkPolicies: set, snapshot, serviceAddresses, problems } = source.current
  const world = {
    set,
    compiled: compileNetworkPolicies(set),
    backends: snapshot.backends,
    addresses: serviceAddresses,
  }
  return { isEnforced: null, answers: answerQuestions(questions, world), problems }
}
