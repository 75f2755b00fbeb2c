import type { PageDocument, PageElement } from './dom.ts'

declare const document: PageDocument

/** An element with attributes; text only ever as text. */
export function element(
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: (PageElement | string)[]
): PageElement {
  const created = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value)
  created.append(...children)
  return created
}

export function drawing(
  tag: string,
  attributes: Readonly<Record<string, string>>,
  ...children: (PageElement | string)[]
): PageElement {
  const created = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value)
  created.append(...children)
  return created
}

/** The part of the page's fixed frame with that id. */
export function byId(id: string): PageElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found
}

/** The descendant with `data-part`. */
export function part(parent: PageElement, name: string): PageElement {
  const found = parent.querySelector(`[data-part="${name}"]`)
  if (found === null) throw new Error(`no part ${name}`)
  return found
}

/** Leaves an element alone that says the same already, so that selections and animations survive. */
export function setText(target: PageElement, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

export function setAttribute(target: PageElement, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value)
}

/**
 * Makes the keyed children of `parent` those of `items`, in order. Children that
 * stay are the same elements as before; children without a key come first and are left alone.
 */
export function keyed<T>(
  parent: PageElement,
  items: readonly T[],
  keyOf: (item: T) => string,
  create: (item: T) => PageElement,
  update: (child: PageElement, item: T) => void,
): void {
  const known = new Map<string, PageElement>()
  let previous: PageElement | null = null
  for (const child of Array.from(parent.children)) {
    const key = child.getAttribute('data-key')
    if (key === null) previous = child
    else known.set(key, child)
  }
  for (const item of items) {
    const key = keyOf(item)
    let child = known.get(key)
    known.delete(key)
    if (child === undefined) {
      child = create(item)
      child.setAttribute('data-key', key)
    }
    const place: PageElement | null = previous === null ? parent.firstElementChild : previous.nextElementSibling
    if (place !== child) parent.insertBefore(child, place)
    update(child, item)
    previous = child
  }
  for (const gone of known.values()) gone.remove()
}
