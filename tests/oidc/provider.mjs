// An OpenID provider for tests: `node provider.mjs PORT REDIRECT_URI`. Whoever signs in has the group that the name begins with.
import Provider from 'oidc-provider'

const [port, redirect] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'steward', client_secret: 's3cret-of-the-client', redirect_uris: [redirect],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
  }],
  features: { deviceFlow: { enabled: true, mask: '****-****' } },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, groups: [id.split('-')[0]] }),
  }),
})
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'))
