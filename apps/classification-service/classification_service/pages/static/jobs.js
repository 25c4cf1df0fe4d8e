// The list of jobs: how far they are, as the gateway's channels say, and by asking where these do not come.

import { ask } from './api.js'
import { byId } from './dom.js'
import { figures } from './wording.js'
import { prepareUpload } from './upload.js'

const POLL_MS = 2_000
const CHECK_MS = 15_000 // while the channels are open
const RUNNING = 'li[data-state="running"]'
const LATEST = new URL('../jobs', import.meta.url)

let connection = 'closed'
let polled = 0

function say (text) {
  byId('status').textContent = text
}

function tell (text) {
  byId('message').textContent = text
  byId('message').className = text ? 'errors' : ''
}

function running () {
  return [...document.querySelectorAll(RUNNING)]
}

function itemOf (id) {
  return byId(`job-${id}`)
}

/** Show how far a job is; one that has ended is drawn anew. */
function update (id, report) {
  const item = itemOf(id)
  if (!item || item.dataset.state !== 'running') return
  if (report.state !== 'running') {
    redraw(id).catch(({ message }) => tell(message))
    return
  }
  item.querySelector('.figures-of-job').textContent = figures(report)
  const progress = item.querySelector('progress')
  if (report.rows.total === null) return
  progress.max = report.rows.total
  progress.value = report.rows.done
}

/** Take a job from the page as it is now. */
async function redraw (id) {
  const answer = await fetch(location.href)
  if (!answer.ok) throw new Error('The list of jobs cannot be read. Load the page again.')
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  const fresh = page.getElementById(`job-${id}`)
  const item = itemOf(id)
  if (!item) return
  const hadFocus = item.contains(document.activeElement)
  if (fresh) item.replaceWith(fresh)
  else item.remove()
  if (hadFocus) (fresh?.querySelector('a, button') ?? byId('main')).focus()
  if (fresh && fresh.dataset.state !== 'running') say(`${fresh.querySelector('h3 bdi').textContent}: ${fresh.dataset.state}`)
}

async function poll () {
  const now = Date.now()
  if (document.visibilityState !== 'visible' || now - polled < (connection === 'open' ? CHECK_MS : POLL_MS)) return
  polled = now
  await Promise.allSettled(running().map(async ({ dataset: { job } }) => update(job, await ask(`jobs/${job}`))))
}

/** Have the gateway say how far the running jobs are. */
async function follow () {
  const jobs = running().map(({ dataset }) => dataset.job)
  if (jobs.length === 0) return
  const { NexusEvents } = await import('../../../static/nexus-events.js')
  const onState = state => {
    connection = state
    polled = 0 // what was said before the channel was open
  }
  const events = new NexusEvents(new URL('../../../', import.meta.url).href, { onState })
  for (const id of jobs) {
    const leave = events.subscribe(`jobs:${id}`, {
      onEvent: report => {
        update(id, report)
        if (report.state !== 'running') leave()
      },
      onReset: () => { polled = 0 },
      onError: () => { connection = 'refused' },
    })
  }
}

async function end (item) {
  const name = item.querySelector('h3 bdi').textContent
  const isRunning = item.dataset.state === 'running'
  if (!confirm(isRunning ? `Cancel the job ${name}? Its rows are not classified any more.` : `Delete the job ${name} with its results?`)) return
  try {
    await ask(`jobs/${item.dataset.job}`, { method: 'DELETE' })
    await redraw(item.dataset.job)
    tell('')
    say(isRunning ? 'The job is cancelled.' : 'The job is deleted.')
  } catch (problem) {
    tell(problem.message)
  }
}

document.addEventListener('click', ({ target }) => {
  const button = target.closest('button.end')
  if (button) end(button.closest('li[data-job]'))
})
document.addEventListener('visibilitychange', poll)
setInterval(poll, 500)
prepareUpload(byId('upload'), { onFault: tell, onStatus: say, onStarted: () => location.assign(LATEST) })
follow().catch(() => { connection = 'refused' }) // the jobs are asked for instead
