import type { PageElement } from './dom.ts'
import { drawing, keyed, part, setAttribute, setText } from './elements.ts'
import { errorLevel, fitText, formatRate, formatShare } from './format.ts'
import type { EndpointState, Picture, PictureEdge, PictureNode } from './layout.ts'

/** Draws the mesh; what stays from one picture to the next moves and changes smoothly. */
export function drawPicture(svg: PageElement, picture: Picture): void {
  const height = picture.height + 16
  setAttribute(svg, 'viewBox', `0 -8 ${picture.width} ${height}`)
  setAttribute(svg, 'height', String(height))
  setAttribute(svg, 'aria-label', describePicture(picture))
  keyed(part(svg, 'edges'), picture.edges, edge => edge.id, createEdge, updateEdge)
  keyed(part(svg, 'nodes'), picture.nodes, node => node.id, createNode, updateNode)
}

/** The picture in words; the tables below it say everything else. */
export function describePicture(picture: Picture): string {
  const count = (kind: PictureNode['kind'], one: string, many: string): string => {
    const nodes = picture.nodes.filter(node => node.kind === kind).length
    return `${nodes} ${nodes === 1 ? one : many}`
  }
  return `Picture of the mesh: ${count('entry', 'entry', 'entries')}, ${count('route', 'route', 'routes')}, ${count('service', 'service', 'services')}`
}

export function createEdge(): PageElement {
  return drawing(
    'g',
    { class: 'edge' },
    drawing('path', { 'data-part': 'line', class: 'line' }),
    drawing('path', { 'data-part': 'flow', class: 'flow' }),
    drawing('text', { 'data-part': 'label', class: 'rate', 'text-anchor': 'end' }),
  )
}

export function updateEdge(group: PageElement, edge: PictureEdge): void {
  const bend = Math.max(16, (edge.x2 - edge.x1) / 2)
  const path = `M${edge.x1} ${edge.y1}C${edge.x1 + bend} ${edge.y1} ${edge.x2 - bend} ${edge.y2} ${edge.x2} ${edge.y2}`
  const isActive = edge.requestsPerSecond > 0
  const line = part(group, 'line')
  const flow = part(group, 'flow')
  setAttribute(line, 'd', path)
  setAttribute(flow, 'd', path)
  setAttribute(group, 'class', `edge ${isActive ? `active ${errorLevel(edge.errorRatio)}` : 'idle'}`)
  const thickness = isActive ? Math.min(7, 1.5 + Math.log10(1 + edge.requestsPerSecond) * 1.5) : 1
  line.style.setProperty('stroke-width', thickness.toFixed(1))
  // A few fixed speeds: an animation whose duration changes jumps.
  const speed = edge.requestsPerSecond > 100 ? 1 : edge.requestsPerSecond > 10 ? 1.8 : 3
  flow.style.setProperty('animation-duration', `${speed}s`)
  const label = part(group, 'label')
  setAttribute(label, 'x', String(edge.x2 - 7))
  setAttribute(label, 'y', String(Math.round(edge.y2 - 5)))
  setText(label, isActive && edge.hasLabel ? `${formatRate(edge.requestsPerSecond)}/s` : '')
}

export function createNode(node: PictureNode): PageElement {
  const group = drawing('g', { class: 'node' }, drawing('title', { 'data-part': 'tip' }))
  if (node.kind !== 'endpoint') group.append(drawing('rect', { 'data-part': 'box', rx: '8' }))
  group.append(
    drawing('g', { 'data-part': 'dots' }),
    drawing('text', { 'data-part': 'name', class: 'name' }),
    drawing('text', { 'data-part': 'below', class: 'below' }),
    drawing('text', { 'data-part': 'rate', class: 'rate', 'text-anchor': 'end' }),
  )
  return group
}

export function updateNode(group: PageElement, node: PictureNode): void {
  setAttribute(group, 'class', `node ${node.kind} ${node.kind === 'service' ? node.state : ''}`)
  group.style.setProperty('transform', `translate(${node.x}px, ${node.y}px)`)
  const box = group.querySelector('[data-part="box"]')
  if (box !== null) {
    setAttribute(box, 'width', String(node.width))
    setAttribute(box, 'height', String(node.height))
  }
  const name = part(group, 'name')
  const below = part(group, 'below')
  const rate = part(group, 'rate')
  const isEndpoint = node.kind === 'endpoint'
  const hasDot = node.state !== 'none'
  const left = isEndpoint ? (hasDot ? 24 : 8) : 12
  const isBusy = node.requestsPerSecond > 0
  const showsRate = isBusy && (isEndpoint || node.kind === 'service') && node.width >= 130
  setText(rate, showsRate ? `${formatRate(node.requestsPerSecond)}/s` : '')
  setAttribute(rate, 'x', String(node.width - (isEndpoint ? 2 : 12)))
  // Beside the name only where the marks of endpoints take the place below it.
  const isBelow = !isEndpoint && node.dots.length === 0
  setAttribute(rate, 'y', isEndpoint ? '15' : isBelow ? '36' : '19')
  const room = node.width - left - (showsRate && !isBelow ? 58 : 12)
  setText(name, fitText(node.title, room, isEndpoint ? 7 : 7.8))
  setAttribute(name, 'x', String(left))
  setAttribute(name, 'y', isEndpoint ? '15' : '20')
  const dots = isEndpoint ? (hasDot ? [node.state] : []) : node.dots.slice(0, 8)
  const dotsWidth = dots.length * 13
  setText(
    below,
    isEndpoint ? '' : fitText(node.subtitle, node.width - left - 14 - dotsWidth - (showsRate && isBelow ? 48 : 0), 6.1),
  )
  setAttribute(below, 'x', String(left))
  setAttribute(below, 'y', '36')
  drawDots(part(group, 'dots'), dots, isEndpoint ? 12 : node.width - dotsWidth - 2, isEndpoint ? 11 : 32)
  setText(part(group, 'tip'), tipOf(node))
}

export function tipOf(node: PictureNode): string {
  const state = node.state === 'none' ? '' : `, ${node.state}`
  return `${node.title} ${node.subtitle}${state}: ${formatRate(node.requestsPerSecond)} requests/s, ${formatShare(node.errorRatio)} errors`
}

export function drawDots(parent: PageElement, states: readonly EndpointState[], x: number, y: number): void {
  const dots = states.map((state, index) => ({ state, index }))
  keyed(
    parent,
    dots,
    // The shape depends on the state, so a changed state is another dot.
    dot => `${dot.index} ${dot.state}`,
    dot => stateMark(dot.state),
    (mark, dot) => mark.style.setProperty('transform', `translate(${x + dot.index * 13}px, ${y}px)`),
  )
}

/** Shape and colour say the same, for those who can't tell the colours apart. */
export function stateMark(state: EndpointState): PageElement {
  const mark = drawing('g', { class: `mark ${state}` })
  if (state === 'healthy') mark.append(drawing('circle', { r: '4.5' }))
  else if (state === 'draining') mark.append(drawing('circle', { r: '4', class: 'hollow' }))
  else if (state === 'ejected') mark.append(drawing('path', { d: 'M0-5.5L5.5 0 0 5.5-5.5 0Z' }))
  else mark.append(drawing('path', { d: 'M-4-4L4 4M-4 4L4-4', class: 'cross' }))
  return mark
}

export function markIcon(state: EndpointState): PageElement {
  const mark = stateMark(state)
  return drawing(
    'svg',
    { class: 'icon', viewBox: '-7 -7 14 14', width: '14', height: '14', 'aria-hidden': 'true' },
    mark,
  )
}
