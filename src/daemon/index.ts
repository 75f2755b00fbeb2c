/**
 * The agent of a node: it joins the rooms, and is the only one that does. It
 * decides nothing about a request and renders nothing for terminals. The command
 * line runs it (`heddle up`) and talks to it over its Unix socket. The main
 * thread is here; `worker.ts` is the entry of the threads that carry traffic.
 * Read `agent.ts` first, then `worker-pool.ts`, `supervisor.ts` and `admin-server.ts`.
 */
export { Agent } from './agent.ts'
export { commandInCgroup } from '../datapath/index.ts'
export type { AgentOptions } from './agent-parts.ts'
export type { DrainReport } from './worker-pool.ts'
export type { AdminErrorBody } from './admin-answer.ts'
export { checkFiles } from './check.ts'
export type { CheckReport } from './check.ts'
export type { ExplainedStream } from './explain-stream.ts'
export type { ExplainDocument, ExplainedBackend, ExplainedListener } from './explain.ts'
export type { ResourceDocument } from './resource-status.ts'
export type { KernelPathStatus } from './kernel-path/kernel-path-switch.ts'
export type { JoinAnswer } from './joins/joins.ts'
export type { RunAnswer } from './run-answer.ts'
export type { ConnectionRecord, FlowRecord, NameRecord, RequestRecord } from './flows/flow-record.ts'
export type { LogLine } from './log-feed.ts'
export { cleanUpTier, examineKernelHttp, examineMachine, examineNetworks } from './doctor.ts'
export type { Finding } from './doctor.ts'
export { describeFilter, describeMatch, describeRetry } from './mesh-status.ts'
export { describePlugin } from './plugins/describe-plugins.ts'
export type { PolicyAnswer, PolicyConnection, PolicyDirection, PolicyQuestion, PolicyReply } from './policy-answers.ts'
export { answerFromFiles } from './policy-files.ts'
export { parseProtocol, parseQuestions } from './policy-questions.ts'
export type { PolicyCase, QuestionsResult } from './policy-questions.ts'
export { nearest } from './nearest.ts'
export { logProblem } from './problem-log.ts'
export { flagOf, settingDefinitions, settingKeys, thisMachine, variableOf } from './settings.ts'
export type { Machine, SettingDefinition, SettingKey, Settings } from './settings.ts'
export { ServiceManager, withoutServiceManager } from './service-manager.ts'
export { formatSettingProblem, formatSettings, readSettings } from './settings-sources.ts'
export type { Origins, SettingProblem, SettingsResult } from './settings-sources.ts'
export { agentVersion } from './version.ts'
export type { RunRequest } from './workload-leases.ts'
export { AgentLogger } from '../observe/index.ts'
export type {
  AgentStatus,
  KeeperSummary,
  CertificateStatus,
  EndpointStatus,
  LiveRates,
  NetworkPolicyStatus,
  RouteStatus,
  RuleStatus,
  ServiceStatus,
  StatusDocument,
} from '../observe/index.ts'
export type { ExplainedCandidate, Mismatch } from '../proxy/index.ts'
export type { WorkerPluginStatus } from './worker-pool.ts'
