import assert from "node:assert/strict"
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from "jose"
import * as oauth from "oauth4webapi"
import type { Client, Provider } from "../index.ts"

/** Where clients are sent back to; nothing listens there. */
export const REDIRECT_URI = "http://127.0.0.1:9/callback"

/** Plain HTTP, which is all that there is on loopback. */
export const overHttp = { [oauth.allowInsecureRequests]: true }

/** A key of a client, and how the provider is told of it. */
export async function newClientKey(): Promise<{ privateKey: CryptoKey; jwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), alg: "ES256", use: "sig" } }
}

/** A client with a secret, or whatever else is told. */
export function clientOf(more: Partial<Client> = {}): Client {
  return {
    clientId: "shop-web",
    name: "The shop",
    redirectUris: [REDIRECT_URI],
    authentication: { method: "client_secret_post", secret: SECRET },
    ...more,
  }
}

/** What clientOf's client proves itself by. */
export const SECRET = "a secret of a client in a test, long enough"

/** Somebody's browser, without a window: cookies by path, redirects one at a time. */
export class Visitor {
  readonly #cookies = new Map<string, { name: string; value: string; path: string }>()

  async send(url: string | URL, form?: Record<string, string>): Promise<Response> {
    const { pathname } = new URL(url)
    const cookies = [...this.#cookies.values()].filter(({ path }) => pathname.startsWith(path))
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") },
      ...(form !== undefined && { method: "POST", body: new URLSearchParams(form) }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value, path] = /^([^=]+)=([^;]*);.*?path=([^;]+)/i.exec(line)!
      if (value === "") this.#cookies.delete(`${path} ${name}`)
      else this.#cookies.set(`${path} ${name}`, { name: name!, value: value!, path: path! })
    }
    return response
  }

  /** Goes where each redirect leads, for as long as that is within the provider; then what came, or where it leads. */
  async follow(provider: Provider, response: Response): Promise<{ page?: Response; left?: URL }> {
    const location = response.headers.get("location")
    if (location === null) return { page: response }
    const next = new URL(location, provider.issuer)
    if (next.origin !== provider.issuer) return { left: next }
    const to = await this.send(next)
    // Where a form on the page is sent to.
    Object.defineProperty(to, "url", { value: next.href })
    return await this.follow(provider, to)
  }
}

/** A request under way: what has to be remembered until its answer. */
export type Begun = { server: oauth.AuthorizationServer; url: URL; verifier: string; nonce: string; state: string }

/** Discovers the provider, and makes the URL that a person is sent to. */
export async function begin(provider: Provider, client: Client, more: Record<string, string> = {}): Promise<Begun> {
  const issuer = new URL(provider.issuer)
  const discovered = await oauth.discoveryRequest(issuer, overHttp)
  const server = await oauth.processDiscoveryResponse(issuer, discovered)
  const [verifier, nonce, state] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomNonce(),
    oauth.generateRandomState(),
  ]
  const url = new URL(server.authorization_endpoint!)
  url.search = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUris[0]!,
    response_type: "code",
    scope: "openid profile",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    nonce,
    state,
    ...more,
  }).toString()
  return { server, url, verifier, nonce, state }
}

/** Signs a person in as the page would, and returns what the client is sent back with, checked (`state`, `iss`). */
export async function signInTo(
  provider: Provider,
  client: Client,
  begun: Begun,
  { person = "alice", visitor = new Visitor() } = {},
): Promise<URLSearchParams> {
  const asked = await visitor.follow(provider, await visitor.send(begun.url))
  const { left } =
    asked.page === undefined ? asked : await visitor.follow(provider, await visitor.send(asked.page.url, { person }))
  assert.ok(left !== undefined, `not sent back to the client: ${await asked.page?.text()}`)
  assert.equal(`${left.origin}${left.pathname}`, client.redirectUris[0])
  return oauth.validateAuthResponse(begun.server, { client_id: client.clientId }, left, begun.state)
}

/** Redeems a code, as the client that proves itself so; by its secret unless told. */
export async function redeem(
  client: Client,
  begun: Begun,
  answer: URLSearchParams,
  proof: oauth.ClientAuth = oauth.ClientSecretPost(SECRET),
): Promise<oauth.TokenEndpointResponse> {
  const as = { client_id: client.clientId }
  const { server, verifier, nonce } = begun
  const redirect = client.redirectUris[0]!
  const response = await oauth.authorizationCodeGrantRequest(server, as, proof, answer, redirect, verifier, overHttp)
  return await oauth.processAuthorizationCodeResponse(server, as, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
}
