// Numbers as people read them; the pages have the same from wording.py.

const NUMBERS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

export function number (value) {
  return NUMBERS.format(value)
}

export function percent (value) {
  return `${Math.round(100 * value)}\u00a0%`
}

/** How many of some are meant: `54 of 71 (76 %)`. */
export function share (part, whole) {
  return whole ? `${number(part)} of ${number(whole)} (${percent(part / whole)})` : 'nothing yet'
}

function duration (seconds) {
  if (seconds < 120) return `${number(seconds)} s`
  return seconds < 7200 ? `${number(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

/** How far a job is: `1,200 of 5,000 rows, 3 without a code, 450 rows/s, 9 s left`. */
export function figures ({ rows, rate, eta_seconds: left }) {
  const parts = [`${number(rows.done)}${rows.total === null ? '' : ` of ${number(rows.total)}`} rows`]
  if (rows.failed) parts.push(`${number(rows.failed)} without a code`)
  if (rate) parts.push(`${number(rate)} rows/s`)
  if (left !== null) parts.push(`${duration(left)} left`)
  return parts.join(', ')
}
