// The rows that are still to be decided, as far as the page knows them.

import { ask } from './api.js'

const PAGE_ROWS = 100
const ENOUGH = 50
const FEW = 10
const ATTEMPTS = 5
const BUSY = new Set([429, 502, 503, 504])

/** The queue of a version. `onChange` is called when `rows` or `left` have changed for other reasons than a call. */
export class Queue {
  constructor (scope, { onChange, onFault }) {
    this.scope = scope
    this.onChange = onChange
    this.onFault = onFault
    this.rows = []
    this.skipped = []
    this.left = 0
    this.waiting = 0
    this.ids = new Set() // of the rows that were decided here
    this.saving = Promise.resolve()
  }

  /** Whether a row that was in the queue is known to be there no more. */
  hasLost (row) {
    return this.isWhole && !this.known.has(row.id)
  }

  /** Look at the queue again. The first row stays as it is, because somebody is deciding it. */
  async refresh () {
    this.refreshing ??= this.#read().finally(() => { this.refreshing = undefined })
    return this.refreshing
  }

  async #read () {
    const found = []
    let [page, usable] = [undefined, 0]
    do {
      page = await ask('review', { query: { ...this.scope, limit: PAGE_ROWS, after: page?.next } })
      found.push(...page.items)
      usable = this.#open(found).length
    } while (page.next && usable < ENOUGH)
    const [first] = this.rows
    const open = this.#open(found)
    this.rows = first ? [first, ...open.filter(row => row.id !== first.id)] : open
    this.known = new Set(found.map(row => row.id))
    this.isWhole = !page.next
    this.left = page.rows - found.filter(row => this.ids.has(row.id)).length
    this.onChange()
  }

  #open (found) {
    const skipped = new Set(this.skipped.map(row => row.id))
    return found.filter(row => !this.ids.has(row.id) && !skipped.has(row.id))
  }

  /** Let a row come first. */
  bringForward (row) {
    this.rows = [row, ...this.rows.filter(other => other !== row)]
  }

  /** Put a row off until all others are decided. */
  skip (row) {
    this.#drop(row)
    if (!this.hasLost(row)) this.skipped.push(row)
  }

  /** Look at the rows again that were put off. */
  takeSkipped () {
    [this.rows, this.skipped] = [[...this.rows, ...this.skipped], []]
  }

  #drop (row) {
    this.rows = this.rows.filter(other => other !== row)
    if (this.rows.length < FEW && !this.isWhole) this.refresh().catch(this.onFault)
  }

  /**
   * Decide a row, or change its decision. Resolves once that is saved; a row whose decision cannot be saved is in the queue
   * again, and the promise rejects with the reason.
   */
  decide (row, code) {
    const isNew = !this.ids.has(row.id)
    if (isNew) this.left -= 1
    this.ids.add(row.id)
    this.#drop(row)
    this.waiting += 1
    const saved = this.saving.then(() => this.#save(row, code, isNew)).finally(() => { this.waiting -= 1 })
    this.saving = saved.catch(() => {})
    return saved
  }

  async #save (row, code, isNew) {
    const json = { items: [{ ...row.item, code }], ...this.scope, unless_decided: true }
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask('feedback', { method: 'POST', json })
      } catch (problem) {
        if (problem.type === 'already-decided') throw problem
        if (attempt === ATTEMPTS || !(problem instanceof TypeError || BUSY.has(problem.status))) {
          if (isNew) this.#giveBack(row)
          throw problem
        }
        await new Promise(resolve => setTimeout(resolve, 1000 * (problem.retryAfter ?? attempt)))
      }
    }
  }

  #giveBack (row) {
    this.ids.delete(row.id)
    this.left += 1
    this.rows.splice(1, 0, row)
    this.onChange()
  }
}
