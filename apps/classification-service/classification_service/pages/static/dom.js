// Elements. Texts come into the page as text nodes alone.

const ATTRIBUTES = /-|^(role|for|scope|list)$/

/** A new element; names with a hyphen are attributes. */
export function element (name, properties = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(properties)) {
    if (ATTRIBUTES.test(key)) made.setAttribute(key, value)
    else made[key] = value
  }
  made.append(...children)
  return made
}

/** A text of somebody else, whose direction is its own. */
export function foreign (text) {
  return element('bdi', { textContent: text })
}

/** The text, cut where it is longer. */
export function cut (text, limit) {
  const characters = Array.from(text.slice(0, 2 * limit))
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`
}

const SVG = 'http://www.w3.org/2000/svg'

/** A bar as long as a confidence. */
export function bar (confidence) {
  const drawing = document.createElementNS(SVG, 'svg')
  const filled = document.createElementNS(SVG, 'rect')
  const attributes = { class: 'bar', viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' }
  for (const [name, value] of Object.entries(attributes)) drawing.setAttribute(name, value)
  filled.setAttribute('width', 100 * confidence)
  filled.setAttribute('height', 1)
  drawing.append(filled)
  return drawing
}

/** The element with an id. */
export function byId (id) {
  return document.getElementById(id)
}
