// Requests to the service's API by way of the gateway, with the cookie of whoever is signed in there.

const API = new URL('../../../v1/classification/', import.meta.url)

/** An answer that says what went wrong (RFC 9457). */
export class Problem extends Error {
  constructor (status, body, retryAfter) {
    super(body.detail ?? `The answer had the status ${status}.`)
    this.status = status
    this.body = body
    this.type = String(body.type ?? '').replace('urn:nexus:problem:', '')
    this.retryAfter = retryAfter
  }
}

export const HEADERS = { 'X-Nexus-CSRF': '1' } // a cookie alone authorises no write

/** The address of a path of the API; query parameters that are undefined are left out, those of a list repeated. */
export function address (path, query = {}) {
  const url = new URL(path, API)
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value ?? []].flat()) url.searchParams.append(name, one)
  }
  return url
}

/** The problem of an answer, of which only the text may be JSON. */
export function problemOf (status, text, retryAfter) {
  let body = {}
  try { body = JSON.parse(text) } catch { /* it was not made by the service or the gateway */ }
  if (status === 401) body.detail = 'Your session has ended. Load the page again and sign in.'
  return new Problem(status, body, Number(retryAfter) || undefined)
}

/** What the API answers, undefined where it answers nothing. Rejects with a Problem, and with TypeError without a connection. */
export async function ask (path, { query, json, ...options } = {}) {
  const headers = { ...HEADERS, ...(json === undefined ? {} : { 'Content-Type': 'application/json' }) }
  const body = json === undefined ? options.body : JSON.stringify(json)
  const answer = await fetch(address(path, query), { ...options, headers: { ...headers, ...options.headers }, body })
  const text = await answer.text()
  if (!answer.ok) throw problemOf(answer.status, text, answer.headers.get('retry-after'))
  return text === '' ? undefined : JSON.parse(text)
}
