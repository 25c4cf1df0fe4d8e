// The review queue: one row in focus, decided by keys or buttons. The next one is there before the decision is saved.

import { ask } from './api.js'
import { bar, byId, cut, element, foreign } from './dom.js'
import { Queue } from './queue.js'
import { Search } from './search.js'
import { number, percent, share } from './wording.js'

const REFRESH_MS = 15_000
const MAX_HEADING = 300
const UPCOMING = 8
const KEYED = 9
const STATISTICS_DAYS = 90
const KEYS_OFF = 'nexus.review.keys-off'

const bench = byId('bench')
const scope = { taxonomy: bench.dataset.taxonomy, version: bench.dataset.version }
const item = byId('item')
const queue = new Queue(scope, { onChange: changed, onFault: ({ message }) => tell(`The queue cannot be read: ${message}`) })
const search = new Search(byId('search'), { ...scope, onChoose: choose })
const decided = []

/** What is in focus: a row of the queue, or one whose decision is changed, which is `earlier` then. */
let shown
let earlier

function tell (text) {
  const close = element('button', { type: 'button', className: 'plain', textContent: 'Close' })
  close.addEventListener('click', () => byId('notice').replaceChildren())
  byId('notice').replaceChildren(element('div', { className: 'errors' }, element('p', {}, ...[text].flat()), close))
}

function say (text) {
  byId('status').textContent = text
}

function candidateButton ({ code, title, confidence }, place) {
  const button = element('button', { type: 'button', className: 'candidate' },
    element('kbd', { 'aria-hidden': 'true', textContent: place < KEYED ? place + 1 : '' }),
    element('span', { className: 'named' }, element('code', { textContent: code }), ' ', foreign(title)),
    bar(confidence), element('span', { className: 'percent', textContent: percent(confidence) }))
  if (place < KEYED) button.setAttribute('aria-keyshortcuts', place + 1)
  button.addEventListener('click', () => choose(code, title))
  return element('li', {}, button)
}

function attribute ([name, value]) {
  return element('div', {}, element('dt', {}, foreign(name)), element('dd', {}, foreign(String(value))))
}

function step ({ level, title }) {
  return element('li', {}, element('span', { className: 'quiet', textContent: level }), ' ', foreign(title))
}

function draw (row) {
  const { text, attributes = {}, language, id } = row.item
  const heading = cut(text, MAX_HEADING)
  const about = [row.times > 1 ? `asked for ${number(row.times)} times` : 'asked for once']
  if (language) about.push(`language ${language}`)
  byId('about').replaceChildren(about.join(', '), ...(id ? [', id ', foreign(id)] : []))
  byId('text').replaceChildren(foreign(heading))
  byId('whole').hidden = heading === text
  byId('whole').open = false
  byId('whole').querySelector('p').replaceChildren(foreign(text))
  byId('attributes').replaceChildren(...Object.entries(attributes).map(attribute))
  byId('path').replaceChildren(...row.path.map(step))
  byId('accept-code').textContent = row.code
  byId('accept-title').replaceChildren(foreign(row.title))
  byId('accept-confidence').replaceChildren(bar(row.confidence), element('span', { className: 'percent', textContent: percent(row.confidence) }))
  byId('candidates').replaceChildren(...row.candidates.map(candidateButton))
}

function drawNothing () {
  byId('text').textContent = queue.skipped.length ? 'Only rows that you skipped are left.' : 'Nothing is left to decide.'
  byId('again').hidden = queue.skipped.length === 0
}

function upcoming (row) {
  const button = element('button', { type: 'button', className: 'plain', dir: 'auto', textContent: cut(row.item.text, 60) })
  button.addEventListener('click', () => {
    earlier = undefined
    queue.bringForward(row)
    show(row)
  })
  return element('li', {}, button, element('span', { className: 'quiet percent', textContent: percent(row.confidence) }))
}

function drawAside () {
  byId('left').textContent = number(queue.left)
  byId('skipped').textContent = queue.skipped.length ? `${number(queue.skipped.length)} skipped` : ''
  byId('upcoming').replaceChildren(...queue.rows.filter(row => row !== shown).slice(0, UPCOMING).map(upcoming))
  byId('back').disabled = decided.length === 0
}

/** Bring a row into focus; nothing where all are decided. */
function show (row, { focus = true } = {}) {
  shown = row
  byId('work').hidden = row === undefined
  byId('again').hidden = true
  if (row) draw(row)
  else drawNothing()
  byId('revising').hidden = earlier === undefined
  byId('gone').hidden = true
  drawAside()
  if (!focus) return
  item.focus({ preventScroll: true })
  const { top } = item.getBoundingClientRect()
  if (top < 0 || top > innerHeight / 2) item.scrollIntoView()
}

/** The queue was read anew. What somebody looks at stays, unless nothing was there to look at. */
function changed () {
  if (shown === undefined) {
    if (queue.rows.length) show(queue.rows[0], { focus: document.activeElement === item })
    else show(undefined, { focus: false })
    return
  }
  if (earlier === undefined) byId('gone').hidden = !queue.hasLost(shown)
  drawAside()
}

async function choose (code, title) {
  if (shown === undefined) return
  const row = shown
  const decision = { row, code, title, replaces: earlier }
  decided.push(decision)
  earlier = undefined
  const saved = queue.decide(row, code)
  show(queue.rows[0])
  say(`${code} chosen. ${number(queue.left)} left.`)
  try {
    await saved
  } catch (problem) {
    forget(decision)
    complain(decision, problem)
    drawAside()
  }
}

function forget (decision) {
  const place = decided.indexOf(decision)
  if (place >= 0) decided.splice(place, 1, ...[decision.replaces ?? []].flat())
}

function complain ({ row, replaces }, problem) {
  const text = foreign(cut(row.item.text, 80))
  if (problem.type !== 'already-decided') {
    const where = replaces ? 'its earlier code stays' : 'it is in the queue again'
    return tell(['“', text, `” was not saved, and ${where}: ${problem.message}`])
  }
  const [{ code }] = problem.body.decided
  const title = [...row.path, ...row.candidates].find(one => one.code === code)?.title
  tell(['Somebody else has decided “', text, `” meanwhile: ${code}`, ...(title ? [' ', foreign(title)] : []), '. Your choice was not saved.'])
}

function skip () {
  if (shown === undefined) return
  if (earlier === undefined) queue.skip(shown)
  earlier = undefined
  show(queue.rows[0])
  say('Skipped.')
}

function goBack () {
  const last = decided.pop()
  if (last === undefined) return
  earlier = last
  byId('revising').replaceChildren('You chose ', element('code', { textContent: last.code }), ' ', foreign(last.title), '. What you choose now replaces it; skip to keep it.')
  show(last.row)
}

function takeSkipped () {
  queue.takeSkipped()
  show(queue.rows[0])
}

function accept () {
  if (shown) choose(shown.code, shown.title)
}

function chooseCandidate (place) {
  const candidate = shown?.candidates[place]
  if (candidate) choose(candidate.code, candidate.title)
}

function openSearch () {
  if (shown) search.open()
}

const ACTIONS = { Enter: accept, a: accept, s: skip, u: goBack, '/': openSearch, '?': () => byId('help').showModal() }

function press (event) {
  const { key, target, ctrlKey, metaKey, altKey, repeat, isComposing } = event
  // A key that is held would decide rows that nobody has looked at.
  if (!byId('keys').checked || ctrlKey || metaKey || altKey || repeat || isComposing || document.querySelector('dialog[open]')) return
  if (target.closest('input:not([type=checkbox]), select, textarea')) return
  if (key === 'Enter' && target.closest('a, button, summary, input')) return
  const action = /^[1-9]$/.test(key) ? () => chooseCandidate(Number(key) - 1) : ACTIONS[key]
  if (!action) return
  event.preventDefault()
  action()
}

async function refresh () {
  if (document.visibilityState !== 'visible') return
  try {
    await queue.refresh()
    const { models, between_people: people } = await ask('feedback/statistics', { query: { ...scope, days: STATISTICS_DAYS } })
    byId('models').textContent = share(models.agreed, models.decisions)
    byId('people').textContent = share(people.agreed, people.decisions)
  } catch ({ message }) {
    tell(`The queue cannot be read: ${message}`)
  }
}

byId('accept').addEventListener('click', accept)
byId('skip').addEventListener('click', skip)
byId('back').addEventListener('click', goBack)
byId('again').addEventListener('click', takeSkipped)
byId('search-open').addEventListener('click', openSearch)
byId('help-open').addEventListener('click', ACTIONS['?'])
byId('help').querySelector('button').addEventListener('click', () => byId('help').close())
byId('keys').checked = localStorage.getItem(KEYS_OFF) === null
byId('keys').addEventListener('change', ({ target }) => {
  if (target.checked) localStorage.removeItem(KEYS_OFF)
  else localStorage.setItem(KEYS_OFF, '1')
})
document.addEventListener('keydown', press)
document.addEventListener('visibilitychange', refresh)
addEventListener('beforeunload', event => {
  if (queue.waiting) event.preventDefault()
})
document.querySelector('.without-script').remove()
bench.hidden = false
await refresh()
item.removeAttribute('aria-busy')
setInterval(refresh, REFRESH_MS)
