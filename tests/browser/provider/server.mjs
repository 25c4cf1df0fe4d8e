// An OpenID Connect provider with one client. Whoever signs in under a name has the e-mail address NAME@example.com.
//   node server.mjs PORT REDIRECT_URI
import Provider from 'oidc-provider'

const [port, redirectUri] = process.argv.slice(2)
const issuer = `http://localhost:${port}`

const provider = new Provider(issuer, {
  clients: [{ client_id: 'nexus', client_secret: 'a secret: 100% of it', redirect_uris: [redirectUri] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, preferred_username: id })
  })
})

provider.listen(Number(port), 'localhost', () => console.log('ready'))
