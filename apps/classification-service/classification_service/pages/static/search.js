// A dialog that finds codes by their beginning or by words: a combobox with a list (WAI-ARIA Authoring Practices).

import { ask } from './api.js'
import { element, foreign } from './dom.js'

const PAUSE_MS = 150
const SHOWN = 20

export class Search {
  constructor (dialog, { taxonomy, version, onChoose }) {
    this.dialog = dialog
    this.path = `taxonomies/${taxonomy}/${version}/search`
    this.onChoose = onChoose
    this.input = dialog.querySelector('input')
    this.list = dialog.querySelector('[role=listbox]')
    this.status = dialog.querySelector('[role=status]')
    this.active = 0
    this.input.addEventListener('input', () => this.#later())
    this.input.addEventListener('keydown', event => this.#press(event))
    this.list.addEventListener('click', ({ target }) => {
      const option = target.closest('[role=option]')
      if (option) this.#choose(option)
    })
    dialog.querySelector('button').addEventListener('click', () => dialog.close())
  }

  open () {
    this.input.value = ''
    this.#show([], '')
    this.dialog.showModal()
    this.input.focus()
  }

  #later () {
    clearTimeout(this.timer)
    this.request?.abort()
    this.timer = setTimeout(() => this.#find(this.input.value.trim()), PAUSE_MS)
  }

  async #find (text) {
    if (text === '') return this.#show([], '')
    const { signal } = this.request = new AbortController()
    try {
      const { items } = await ask(this.path, { query: { q: text, limit: SHOWN }, signal })
      this.#show(items, items.length === 0 ? 'No code has these words.' : `${items.length} found`)
    } catch (problem) {
      if (!signal.aborted) this.#show([], problem.message)
    }
  }

  #show (codes, status) {
    const options = codes.map(({ code, level, title }, place) => {
      const children = [element('code', { textContent: code }), ' ', foreign(title), ' ', element('span', { className: 'quiet', textContent: level })]
      const option = element('li', { role: 'option', id: `found-${place}` }, ...children)
      Object.assign(option.dataset, { code, title })
      return option
    })
    this.list.replaceChildren(...options)
    this.list.hidden = options.length === 0
    this.input.setAttribute('aria-expanded', options.length > 0)
    this.status.textContent = status
    this.#activate(0)
  }

  #activate (place) {
    this.active = place
    for (const option of this.list.children) option.setAttribute('aria-selected', option === this.list.children[place])
    const option = this.list.children[place]
    if (option) this.input.setAttribute('aria-activedescendant', option.id)
    else this.input.removeAttribute('aria-activedescendant')
    option?.scrollIntoView({ block: 'nearest' })
  }

  #press (event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const count = this.list.children.length
    if (steps && count) {
      event.preventDefault()
      this.#activate((this.active + steps + count) % count)
    } else if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault()
      if (count) this.#choose(this.list.children[this.active])
    }
  }

  #choose ({ dataset: { code, title } }) {
    this.dialog.close()
    this.onChoose(code, title)
  }
}
