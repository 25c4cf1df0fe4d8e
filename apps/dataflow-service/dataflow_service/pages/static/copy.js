// A button that copies, for each example of the page. Without this script its text can be selected.

const status = document.createElement('p')
status.className = 'hidden'
status.setAttribute('role', 'status')

async function copy (text) {
  try {
    await navigator.clipboard.writeText(text.textContent)
    status.textContent = 'Copied'
  } catch { // the page is not a secure context, or the browser does not permit it
    getSelection().selectAllChildren(text)
    status.textContent = 'Selected: copy it with your keyboard'
  }
}

for (const example of document.querySelectorAll('.example')) {
  const text = example.querySelector('pre')
  const button = Object.assign(document.createElement('button'), { type: 'button', className: 'plain', textContent: 'Copy' })
  button.setAttribute('aria-label', `Copy: ${example.querySelector('h3')?.textContent ?? 'JSON Schema'}`)
  button.addEventListener('click', async () => {
    await copy(text)
    button.textContent = status.textContent
  })
  text.before(button)
}
document.querySelector('main').append(status)
