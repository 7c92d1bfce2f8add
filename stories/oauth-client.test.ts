import assert from "node:assert/strict"
import type { KeyObject, webcrypto } from "node:crypto"
import { after, before, test } from "node:test"
import * as oauth from "oauth4webapi"
import { openWebGround, type WebGround } from "./fixtures/web-ground.ts"

/** Its client speaks to an issuer over TLS; here fetch goes to the first server's web side itself, as a balancer would. */
let web: WebGround
before(async () => {
  web = await openWebGround()
})
after(() => web?.[Symbol.asyncDispose]())

/** A request of the library's, passed on to where the issuer's public URL leads. */
function passedOn(url: string, init: object): Promise<Response> {
  const { pathname, search } = new URL(url)
  return fetch(web.one.webUrl + pathname + search, init)
}

async function keyPair(privateKey: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const usage = { name: "ECDSA", namedCurve: "P-256" }
  const jwk = privateKey.export({ format: "jwk" })
  const { d: _, ...published } = jwk
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk, usage, true, ["sign"]),
    publicKey: await crypto.subtle.importKey("jwk", published, usage, true, ["verify"]),
  }
}

test("a client that nobody here wrote discovers us, proves an enrolled key, and works in a session", async () => {
  const { identity, mtls } = await web.clientOf()
  const issuer = new URL(web.balancer.url)
  const options = { [oauth.customFetch]: passedOn }
  const found = await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  assert.deepEqual(server.token_endpoint_auth_methods_supported, ["private_key_jwt", "tls_client_auth"])

  const keys = await keyPair(identity.privateKey)
  const kid = await thumbprint(keys.publicKey)
  const client: oauth.Client = { client_id: mtls.spiffeId }
  const proof = oauth.PrivateKeyJwt({ key: keys.privateKey, kid })
  const DPoP = oauth.DPoP(client, keys)
  const tokenFor = async (parameters: Record<string, string>) => {
    const ask = async () => {
      const answer = await oauth.clientCredentialsGrantRequest(server, client, proof, parameters, { ...options, DPoP })
      return await oauth.processClientCredentialsResponse(server, client, answer)
    }
    // The library learns the nonce from the refusal, and says that it is to be asked again.
    return await ask().catch((error: unknown) => {
      if (oauth.isDPoPNonceError(error)) return ask()
      throw error
    })
  }
  const ask = async (token: string, method: string, path: string, body?: object) => {
    const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" })
    const text = body === undefined ? null : JSON.stringify(body)
    const url = new URL(path, issuer)
    return await oauth.protectedResourceRequest(token, method, url, headers, text, { ...options, DPoP })
  }

  const own = await tokenFor({})
  assert.equal(own.token_type, "dpop")
  const opened = await ask(own.access_token, "POST", "/v1/sessions", { purpose: "answer" })
  assert.equal(opened.status, 201)
  const { session, accessToken } = (await opened.json()) as { session: { id: string }; accessToken: string }
  const action = { type: "credential", resource: "kb", operation: "read" }
  const first = await ask(accessToken, "POST", "/v1/actions", { session: session.id, action })
  assert.equal(((await first.json()) as { verdict: string }).verdict, "allow")

  const again = await tokenFor({ safeconduct_session: session.id })
  const ended = await ask(again.access_token, "DELETE", `/v1/sessions/${session.id}`)
  assert.equal(ended.status, 200)
  await assert.rejects(tokenFor({ safeconduct_session: session.id }), (error: unknown) => {
    assert.ok(error instanceof oauth.ResponseBodyError)
    return error.error === "invalid_grant"
  })

  // The same library with a key that is nobody's.
  const stranger = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
  const theirs = oauth.PrivateKeyJwt({ key: stranger.privateKey, kid: await thumbprint(stranger.publicKey) })
  const wrong = { ...options, DPoP: oauth.DPoP(client, stranger) }
  const refused = async () =>
    await oauth.processClientCredentialsResponse(
      server,
      client,
      await oauth.clientCredentialsGrantRequest(server, client, theirs, {}, wrong),
    )
  await refused().catch(() => undefined)
  await assert.rejects(refused, (error: unknown) => {
    assert.ok(error instanceof oauth.ResponseBodyError)
    return error.error === "invalid_client"
  })
})

/** RFC 7638 §3.2 */
async function thumbprint(key: webcrypto.CryptoKey): Promise<string> {
  const { crv, kty, x, y } = (await crypto.subtle.exportKey("jwk", key)) as Record<string, string>
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify({ crv, kty, x, y })))
  return Buffer.from(digest).toString("base64url")
}
