// The navigation of the gateway's pages, for pages of services, which are served under /pages:
//   <header class="site"><a class="brand" href="/">Nexus</a></header>
//   <script type="module" src="/static/navigation.js"></script>
// Without JavaScript the link to the start page remains.

const LINKS = [['/account/sessions', 'Devices'], ['/account/password', 'Password']]

function element (name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

async function signOut () {
  const answer = await fetch('/v1/sessions/current', { method: 'DELETE', headers: { 'X-Nexus-CSRF': '1' } })
  if (answer.ok || answer.status === 401) location.assign('/login?notice=signed-out')
}

const answer = await fetch('/v1/me')
const header = document.querySelector('header.site')
if (answer.ok && header) {
  const { username } = await answer.json()
  const items = LINKS.map(([href, textContent]) => element('li', {}, element('a', { href, textContent })))
  const button = element('button', { type: 'button', className: 'plain' }, 'Sign out ', element('bdi', { textContent: username }))
  button.addEventListener('click', signOut)
  const navigation = element('nav', {}, element('ul', {}, ...items), button)
  navigation.setAttribute('aria-label', 'Account')
  header.append(navigation)
}
