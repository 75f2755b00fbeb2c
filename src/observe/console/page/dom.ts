/**
 * As much of the browser's interfaces as the status page uses. The library of
 * types that TypeScript has for it would make `document` known in the whole of
 * the agent, where there is none.
 */
export interface PageElement {
  textContent: string | null
  hidden: boolean
  value: string
  readonly children: ArrayLike<PageElement>
  readonly firstElementChild: PageElement | null
  readonly nextElementSibling: PageElement | null
  readonly clientWidth: number
  readonly style: { setProperty(name: string, value: string): void }
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  removeAttribute(name: string): void
  append(...children: (PageElement | string)[]): void
  replaceChildren(...children: (PageElement | string)[]): void
  insertBefore(child: PageElement, before: PageElement | null): void
  remove(): void
  querySelector(selector: string): PageElement | null
  addEventListener(type: string, listener: () => void): void
}

export interface PageDocument {
  readonly hidden: boolean
  readonly body: PageElement
  title: string
  getElementById(id: string): PageElement | null
  createElement(tag: string): PageElement
  createElementNS(namespace: string, tag: string): PageElement
  addEventListener(type: string, listener: () => void): void
}
