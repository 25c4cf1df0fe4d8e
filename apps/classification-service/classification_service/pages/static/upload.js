// The form for a new job: what the file looks like, what its columns are for, and sending it.

import { HEADERS, address, ask, problemOf } from './api.js'
import { byId, cut, element, foreign } from './dom.js'
import { number, percent } from './wording.js'

const MIB = 1024 ** 2
const SAMPLE_BYTES = MIB // of a text file
const PREVIEW_BYTES = 32 * MIB // of a workbook, which has its directory at its end
const TYPE = 'application/octet-stream' // the service finds the format by the content
const UNSPECIFIED = 'Found by the content'
const ENCODINGS = ['utf-8', 'utf-16', 'windows-1250', 'windows-1251', 'windows-1252', 'iso-8859-1', 'iso-8859-2', 'iso-8859-15', 'shift_jis', 'gb18030']
const DELIMITERS = { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Bar' }
const USES = { '': 'Leave out', text: 'Text', attribute: 'Attribute' }

function select (properties, options, chosen) {
  const made = element('select', properties)
  for (const [value, textContent] of options) made.append(element('option', { value, textContent }))
  made.value = chosen ?? ''
  return made
}

function field (label, control) {
  return element('div', { className: 'field' }, element('label', { for: control.id, textContent: label }), control)
}

async function isWorkbook (file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer())
  return first === 0x50 && second === 0x4b
}

/** Give the form its work. `onStarted` is called once a job runs, `onFault` with what is wrong, '' for nothing. */
export function prepareUpload (form, { onFault, onStatus, onStarted }) {
  const input = byId('file')
  const preview = byId('preview')
  let looks = 0

  function reading () {
    return { encoding: byId('encoding')?.value || undefined, delimiter: byId('delimiter')?.value || undefined }
  }

  async function look () {
    const [file] = input.files
    const look = ++looks
    const said = reading()
    onFault('')
    if (!file) return show()
    try {
      const workbook = await isWorkbook(file)
      if (workbook && file.size > PREVIEW_BYTES) return show([columnName()])
      const body = workbook ? file : file.slice(0, SAMPLE_BYTES)
      const found = await ask('jobs/preview', { method: 'POST', query: said, headers: { 'Content-Type': TYPE }, body })
      if (look === looks) show(drawing(found, said))
    } catch (problem) {
      if (look !== looks) return
      show(problem.status === 422 ? [...readingFields({}, said), columnName()] : [])
      onFault(problem.message)
    }
  }

  function show (parts = []) {
    preview.replaceChildren(...parts)
    preview.hidden = parts.length === 0
    for (const id of ['encoding', 'delimiter']) byId(id)?.addEventListener('change', look)
  }

  async function start (event) {
    event.preventDefault()
    const [file] = input.files
    const columns = chosenColumns()
    if (!file) return refuse('Choose a file.', input)
    if (columns.text.length === 0) return refuse('Choose the column with the text.', preview.querySelector('select[data-column], #column'))
    onFault('')
    const button = form.querySelector('button[type=submit]')
    button.disabled = true
    try {
      await send(file, { ...options(), ...reading(), text_column: columns.text, attribute_column: columns.attribute })
      onStarted()
    } catch (problem) {
      onFault(problem.message)
    }
    byId('sending').hidden = true
    button.disabled = false
  }

  function refuse (text, control) {
    onFault(text)
    control?.focus()
  }

  function options () {
    const { taxonomy, version } = byId('taxonomy').selectedOptions[0].dataset
    const llm = byId('llm') && !byId('llm').checked ? 'never' : undefined
    const features = isEtim() && byId('features').checked
    const [file] = input.files
    return { taxonomy, version, review: byId('review').checked, features, llm, name: file.name.replace(/[\0-\x1f\x7f/\\]/g, ' ').slice(0, 200) }
  }

  function isEtim () {
    return byId('taxonomy').selectedOptions[0].dataset.taxonomy === 'etim'
  }

  function offerFeatures () {
    byId('of-etim').hidden = !isEtim()
  }

  offerFeatures()
  byId('taxonomy').addEventListener('change', offerFeatures)
  input.addEventListener('change', look)
  form.addEventListener('submit', start)

  /** Send the file. `fetch` does not say how much of it was sent. */
  function send (file, query) {
    const { promise, resolve, reject } = Promise.withResolvers()
    const request = new XMLHttpRequest()
    request.open('POST', address('jobs', query))
    for (const [name, value] of Object.entries({ ...HEADERS, 'Content-Type': TYPE })) request.setRequestHeader(name, value)
    byId('sending').hidden = false
    request.upload.onprogress = ({ loaded, total }) => {
      byId('sent').value = loaded / total
      onStatus(`${percent(loaded / total)} sent`)
    }
    request.onload = () => {
      if (request.status < 300) resolve()
      else reject(problemOf(request.status, request.responseText, request.getResponseHeader('retry-after')))
    }
    request.onerror = () => reject(new Error('The connection was lost. Start the job again.'))
    request.send(file)
    return promise
  }
}

function columnName () {
  const name = element('input', { id: 'column', type: 'text', value: 'text', maxLength: 200 })
  return field('Name of the column with the text', name)
}

function readingFields (found, said) {
  const encodings = [['', UNSPECIFIED], ...ENCODINGS.map(name => [name, name.toUpperCase()])]
  const delimiters = [['', UNSPECIFIED], ...Object.entries(DELIMITERS)]
  const fields = [field('Encoding', select({ id: 'encoding' }, encodings, found.encoding_certain === false ? found.encoding : said.encoding))]
  if (found.format !== 'jsonl') fields.push(field('Delimiter', select({ id: 'delimiter' }, delimiters, said.delimiter)))
  return [element('div', { className: 'options' }, ...fields)]
}

function facts (found) {
  const parts = [found.format.toUpperCase()]
  if (found.encoding) parts.push(`${found.encoding.toUpperCase()}${found.encoding_certain ? '' : ', which is a guess'}`)
  if (found.delimiter) parts.push(`delimiter ${DELIMITERS[found.delimiter].toLowerCase()}`)
  if (found.header_row) parts.push(`header in row ${number(found.header_row)}`)
  return element('p', { className: 'quiet', textContent: parts.join(', ') })
}

function drawing (found, said) {
  const isText = found.encoding !== null
  const faults = found.faults.map(({ row, error }) => element('li', {}, `Row ${row}: `, foreign(error)))
  return [
    element('h3', { id: 'columns', textContent: 'Columns' }),
    facts(found),
    ...(isText ? readingFields(found, said) : []),
    element('div', { className: 'scroll', role: 'group', 'aria-labelledby': 'columns', tabIndex: 0 }, table(found)),
    ...(faults.length ? [element('h3', { textContent: 'Rows that cannot be read' }), element('ul', {}, ...faults)] : []),
  ]
}

function table ({ columns, rows, text_columns: likely }) {
  const heads = columns.map(name => {
    const use = select({ 'aria-label': `Use of ${name}` }, Object.entries(USES), likely.includes(name) ? 'text' : '')
    use.dataset.column = name
    return element('th', { scope: 'col' }, foreign(name), use)
  })
  const cells = row => columns.map((_, place) => element('td', {}, foreign(cut(String(row[place] ?? ''), 80))))
  const body = rows.map(row => element('tr', {}, ...cells(row)))
  return element('table', { className: 'rows' }, element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...body))
}

/** What the columns of the file are for, by the form. */
function chosenColumns () {
  const name = byId('column')
  if (name) return { text: name.value ? [name.value] : [], attribute: [] }
  const uses = [...document.querySelectorAll('select[data-column]')]
  const of = wanted => uses.filter(({ value }) => value === wanted).map(({ dataset }) => dataset.column)
  return { text: of('text'), attribute: of('attribute') }
}
