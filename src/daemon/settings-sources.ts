import { parseDocument } from 'yaml'
import { nearest } from './nearest.ts'
import { flagOf, settingDefinitions, settingKeys, variableOf } from './settings.ts'
import type { Machine, SettingDefinition, SettingKey, Settings } from './settings.ts'

/** Where a value came from: `default`, `heddle.yaml`, `HEDDLE_WORKERS`, `--workers`. */
export type Origins = Readonly<Record<SettingKey, string>>

export interface SettingProblem {
  /** As it was written, in the origin's own spelling. */
  readonly key: string
  readonly value: string
  readonly origin: string
  readonly message: string
}

export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Settings; readonly origins: Origins }
  | { readonly kind: 'problems'; readonly problems: readonly SettingProblem[] }

export interface SettingsInput {
  readonly machine: Machine
  /** The file of `--settings`, already read. */
  readonly file?: { readonly name: string; readonly text: string }
  /** Values of flags by setting key. */
  readonly flags?: Readonly<Partial<Record<SettingKey, string>>>
}

/**
 * Reads all settings, the later of default, file, environment and flag winning,
 * and reports every mistake at once: an operator should not have to start five
 * times to learn of five mistakes. An overridden value must be right, too, since
 * it is in force as soon as what hides it goes away.
 */
export function readSettings(input: SettingsInput): SettingsResult {
  const problems: SettingProblem[] = []
  const values: Partial<Record<SettingKey, unknown>> = {}
  const origins: Partial<Record<SettingKey, string>> = {}
  for (const key of settingKeys) {
    values[key] = settingDefinitions[key].default(input.machine)
    origins[key] = 'default'
  }
  for (const given of [...fromFile(input, problems), ...fromEnvironment(input, problems), ...fromFlags(input)]) {
    const definition = settingDefinitions[given.key] as SettingDefinition<unknown>
    const parsed = definition.parse(given.text)
    if (parsed.ok) {
      values[given.key] = parsed.value
      origins[given.key] = given.origin
    } else {
      problems.push({
        key: given.spelling,
        value: given.text,
        origin: given.origin,
        message: `must be ${parsed.expected}`,
      })
    }
  }
  if (problems.length > 0) return { kind: 'problems', problems }
  return { kind: 'settings', settings: values as unknown as Settings, origins: origins as Origins }
}

/** `workers = "0" (from HEDDLE_WORKERS): must be a whole number from 1 to 256` */
export function formatSettingProblem(problem: SettingProblem): string {
  const value = problem.value === '' ? '' : ` = ${JSON.stringify(problem.value)}`
  const from = problem.origin === problem.key ? '' : ` (from ${problem.origin})`
  return `${problem.key}${value}${from}: ${problem.message}`
}

/** One line per setting with its origin, aligned; what `heddle up --print-settings` shows. */
export function formatSettings(settings: Settings, origins: Origins): string {
  const rows = settingKeys.map(key => {
    const definition = settingDefinitions[key] as SettingDefinition<unknown>
    const text = definition.format(settings[key])
    const unit = definition.unit === undefined ? '' : ` ${definition.unit}`
    return { key, text: text === '' ? '""' : `${text}${unit}`, origin: origins[key], about: definition.about }
  })
  const keyWidth = Math.max(...rows.map(row => row.key.length))
  const textWidth = Math.max(...rows.map(row => row.text.length))
  const originWidth = Math.max(...rows.map(row => row.origin.length))
  return rows
    .map(row =>
      [row.key.padEnd(keyWidth), row.text.padEnd(textWidth), row.origin.padEnd(originWidth), row.about].join('  '),
    )
    .join('\n')
}

interface Given {
  readonly key: SettingKey
  readonly spelling: string
  readonly text: string
  readonly origin: string
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settingDefinitions, key)
}

function fromFile(input: SettingsInput, problems: SettingProblem[]): Given[] {
  if (input.file === undefined) return []
  const { name, text } = input.file
  const document = parseDocument(text)
  for (const error of document.errors) {
    const message = error.message.split('\n')[0] ?? error.message
    problems.push({ key: name, value: '', origin: name, message })
  }
  if (document.errors.length > 0) return []
  const content: unknown = document.toJS()
  if (content === null || content === undefined) return []
  if (typeof content !== 'object' || Array.isArray(content)) {
    problems.push({ key: name, value: '', origin: name, message: 'must be a map of settings, such as workers: 2' })
    return []
  }
  const given: Given[] = []
  for (const [key, value] of Object.entries(content)) {
    if (!isSettingKey(key)) {
      problems.push({ key, value: show(value), origin: name, message: unknownSetting(key, settingKeys) })
    } else if (typeof value === 'object' && value !== null) {
      problems.push({ key, value: show(value), origin: name, message: 'must be a single value' })
    } else {
      given.push({ key, spelling: key, text: value === null ? '' : String(value), origin: name })
    }
  }
  return given
}

/**
 * Kubernetes, and Heddle itself, hand workloads variables named after Services,
 * so one that is called heddle must not keep an agent from starting. Those of
 * the tests are not the agent's either.
 */
const notSettings = /^HEDDLE_(?:TEST_.*|(?:.*_)?SERVICE_HOST|(?:.*_)?SERVICE_PORT(?:_.*)?|(?:.*_)?PORT(?:_\d.*)?)$/

function fromEnvironment(input: SettingsInput, problems: SettingProblem[]): Given[] {
  const keys = new Map(settingKeys.map(key => [variableOf(key), key]))
  const given: Given[] = []
  for (const [variable, text] of Object.entries(input.machine.env)) {
    if (!variable.startsWith('HEDDLE_') || text === undefined || notSettings.test(variable)) continue
    const key = keys.get(variable)
    if (key !== undefined) given.push({ key, spelling: variable, text, origin: variable })
    else {
      const message = unknownSetting(variable, keys.keys())
      problems.push({ key: variable, value: text, origin: variable, message })
    }
  }
  return given
}

function fromFlags(input: SettingsInput): Given[] {
  const given: Given[] = []
  for (const key of settingKeys) {
    const text = input.flags?.[key]
    const flag = `--${flagOf(key)}`
    if (text !== undefined) given.push({ key, spelling: flag, text, origin: flag })
  }
  return given
}

function unknownSetting(key: string, known: Iterable<string>): string {
  const near = nearest(key, known)
  return near === undefined ? 'is not a setting' : `is not a setting, did you mean ${near}?`
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
