import { createContext, runInContext } from 'node:vm'
import type { PageElement } from './page/dom.ts'

/** As much of a browser as the status page needs, for tests: a tree of elements, and text that stays text. */
export class FakeElement implements PageElement {
  readonly tag: string
  readonly attributes: Map<string, string> = new Map()
  nodes: (FakeElement | string)[] = []
  parent: FakeElement | undefined
  value = ''
  clientWidth = 1200
  readonly styles: Map<string, string> = new Map()
  readonly style: PageElement['style'] = { setProperty: (name, value) => this.styles.set(name, value) }
  readonly #listeners = new Map<string, () => void>()

  constructor(tag: string) {
    this.tag = tag
  }
  get children(): FakeElement[] {
    return this.nodes.filter(node => node instanceof FakeElement)
  }
  get firstElementChild(): FakeElement | null {
    return this.children[0] ?? null
  }
  get nextElementSibling(): FakeElement | null {
    const siblings = this.parent?.children ?? []
    return siblings[siblings.indexOf(this) + 1] ?? null
  }
  get textContent(): string {
    return this.nodes.map(node => (typeof node === 'string' ? node : node.textContent)).join('')
  }
  set textContent(text: string | null) {
    this.replaceChildren(text ?? '')
  }
  get hidden(): boolean {
    return this.attributes.has('hidden')
  }
  set hidden(isHidden: boolean) {
    if (isHidden) this.attributes.set('hidden', '')
    else this.attributes.delete('hidden')
  }
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value)
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name)
  }
  append(...children: (PageElement | string)[]): void {
    for (const child of children) this.#insert(child, this.nodes.length)
  }
  replaceChildren(...children: (PageElement | string)[]): void {
    this.nodes = []
    this.append(...children)
  }
  insertBefore(child: PageElement, before: PageElement | null): void {
    if (child instanceof FakeElement) child.remove()
    this.#insert(child, before instanceof FakeElement ? this.nodes.indexOf(before) : this.nodes.length)
  }
  remove(): void {
    if (this.parent !== undefined) this.parent.nodes = this.parent.nodes.filter(node => node !== this)
    this.parent = undefined
  }
  querySelector(selector: string): FakeElement | null {
    const name = /^\[data-part="(.*)"\]$/.exec(selector)?.[1]
    return this.all().find(element => element !== this && element.getAttribute('data-part') === name) ?? null
  }
  addEventListener(type: string, listener: () => void): void {
    this.#listeners.set(type, listener)
  }
  fire(type: string): void {
    this.#listeners.get(type)?.()
  }
  /** This element and everything below it, in order. */
  all(): FakeElement[] {
    return [this, ...this.children.flatMap(child => child.all())]
  }
  #insert(child: PageElement | string, at: number): void {
    if (child instanceof FakeElement) child.parent = this
    this.nodes.splice(at, 0, typeof child === 'string' || child instanceof FakeElement ? child : '')
  }
}

export interface FakePage {
  readonly body: FakeElement
  byId(id: string): FakeElement
  /** Lets a second pass: the page asks again. */
  tick(): Promise<void>
}

/** Runs the page's script with the elements of the frame; `answer` is what `status.json` says, or throws. */
export async function openFakePage(html: string, script: string, answer: () => string): Promise<FakePage> {
  const body = new FakeElement('body')
  const ids = new Map<string, FakeElement>()
  for (const [, tag = '', id = ''] of html.matchAll(/<([a-z0-9]+) id="([a-z0-9-]+)"/g)) {
    const created = new FakeElement(tag)
    ids.set(id, created)
    body.append(created)
  }
  for (const name of ['edges', 'nodes']) {
    const group = new FakeElement('g')
    group.setAttribute('data-part', name)
    ids.get('mesh-svg')?.append(group)
  }
  ids.get('service-table')?.append(new FakeElement('caption'), new FakeElement('thead'))
  const timers: (() => void)[] = []
  const document = {
    hidden: false,
    title: '',
    body,
    getElementById: (id: string) => ids.get(id) ?? null,
    createElement: (tag: string) => new FakeElement(tag),
    createElementNS: (_namespace: string, tag: string) => new FakeElement(tag),
    addEventListener() {},
  }
  const context = createContext({
    document,
    addEventListener() {},
    AbortSignal,
    setTimeout: (action: () => void) => timers.push(action),
    fetch: async () => {
      const text = answer()
      return { ok: true, json: async () => JSON.parse(text) as unknown }
    },
  })
  runInContext(script, context)
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
  await settle()
  return {
    body,
    byId: id => {
      const found = ids.get(id)
      if (found === undefined) throw new Error(`no element ${id}`)
      return found
    },
    tick: async () => {
      timers.splice(0).forEach(action => action())
      await settle()
    },
  }
}
