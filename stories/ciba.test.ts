import assert from "node:assert/strict"
import { createPrivateKey, type webcrypto } from "node:crypto"
import { after, before, test } from "node:test"
import * as client from "openid-client"
import { type Asking, type CibaGround, fetchWith, openCibaGround, raise } from "./fixtures/ciba-ground.ts"
import { until } from "./fixtures/until.ts"

/** A client that nobody here wrote asks people by CIBA: openid-client, as its documentation has it. */
let at: CibaGround
before(async () => {
  at = await openCibaGround()
})
after(() => at?.[Symbol.asyncDispose]())

type Fetch = client.CustomFetch

/** Discovered at the issuer; the endpoints themselves over mutual TLS (RFC 8705 §5). */
async function overMutualTls({ identity, sdk }: Asking): Promise<client.Configuration> {
  const passed: Fetch = async (href, { method, headers, body }) => {
    const url = new URL(href)
    const text = body instanceof URLSearchParams ? body.toString() : (body as string | undefined)
    if (url.origin === at.issuer) return await fetch(href, { method, headers, ...(text && { body: text }) })
    return await fetchWith(identity, url, { method, headers, ...(text && { body: text }) })
  }
  return await client.discovery(
    new URL(at.issuer),
    sdk.spiffeId,
    { use_mtls_endpoint_aliases: true },
    client.TlsClientAuth(),
    { execute: [client.allowInsecureRequests], [client.customFetch]: passed },
  )
}

/** The same with private_key_jwt and DPoP. The library sends no proof to the backchannel endpoint: its fetch adds one. */
async function byKey({ identity, sdk, web }: Asking): Promise<[client.Configuration, client.DPoPHandle]> {
  const usage = { name: "ECDSA", namedCurve: "P-256" }
  const jwk = createPrivateKey(identity.privateKey.export({ format: "pem", type: "pkcs8" })).export({ format: "jwk" })
  const { d: _, ...published } = jwk
  const pair: webcrypto.CryptoKeyPair = {
    privateKey: await crypto.subtle.importKey("jwk", jwk, usage, true, ["sign"]),
    publicKey: await crypto.subtle.importKey("jwk", published, usage, true, ["verify"]),
  }
  const proving: Fetch = async (href, { method, headers, body }) => {
    const { pathname: path } = new URL(href)
    const isAsking = path === "/oauth2/bc-authorize"
    const proof = isAsking ? { dpop: await web.proofFor({ webUrl: at.issuer }, method, path) } : {}
    return await fetch(href, {
      method,
      headers: { ...headers, ...proof },
      ...(body && { body: body as URLSearchParams }),
    })
  }
  const authentication = client.PrivateKeyJwt({ key: pair.privateKey, kid: web.jkt })
  const configuration = await client.discovery(new URL(at.issuer), sdk.spiffeId, {}, authentication, {
    execute: [client.allowInsecureRequests],
    [client.customFetch]: proving,
  })
  return [configuration, client.getDPoPHandle(configuration, pair)]
}

/** As the how-to has it. */
async function askAndWait(configuration: client.Configuration, accessToken: string, DPoP: client.DPoPHandle) {
  const employee = "E-7"
  const asked = await client.initiateBackchannelAuthentication(configuration, {
    scope: "openid",
    login_hint_token: accessToken,
    binding_message: "As agreed on Tuesday",
    authorization_details: JSON.stringify([
      {
        type: "safeconduct_one_action",
        actions: ["tool:raise-salary"],
        locations: ["hr"],
        arguments: { employee, amount: 5400 },
      },
    ]),
  })
  const tokens = await client.pollBackchannelAuthenticationGrant(configuration, asked, undefined, { DPoP })
  return tokens
}

const parameters = (token: string, amount: number) => ({
  scope: "openid",
  login_hint_token: token,
  binding_message: "Raise for E-7",
  authorization_details: raise(amount),
})
const action = (amount: number) => ({
  ...{ type: "tool", resource: "hr", operation: "raise-salary" },
  arguments: { employee: "E-7", amount },
})

test("openid-client asks over mutual TLS, waits, and the action passes by the token, once", async () => {
  const asking = await at.asking()
  const { identity, session } = asking
  const configuration = await overMutualTls(asking)
  assert.deepEqual(configuration.serverMetadata().backchannel_token_delivery_modes_supported, ["poll", "ping"])
  const { access_token: hint } = (
    await asking.form("/oauth2/token", {
      grant_type: "client_credentials",
      safeconduct_session: session.id,
    })
  ).json as { access_token: string }
  const asked = await client.initiateBackchannelAuthentication(configuration, parameters(hint, 5200))
  assert.equal(asked.interval, 5)
  const polling = client.pollBackchannelAuthenticationGrant(configuration, asked)
  await at.decide(await at.newest(session.id))
  const tokens = await polling
  // It has checked issuer, audience, times and algorithm of the ID token by then.
  const claims = tokens.claims()!
  assert.equal(claims["urn:openid:params:jwt:claim:auth_req_id"], asked.auth_req_id)
  assert.notEqual(claims.sub, session.id)

  const act = async (authorization: string, amount: number) => {
    const body = JSON.stringify({ session: session.id, action: action(amount) })
    const headers = { authorization, "content-type": "application/json" }
    const answer = await fetchWith(identity, new URL("/v1/actions", at.one.agentsUrl), {
      method: "POST",
      headers,
      body,
    })
    return (await answer.json()) as { verdict?: string; code?: string }
  }
  assert.equal((await act(`Bearer ${tokens.access_token}`, 52_000)).verdict, "deny", "another amount")
  assert.equal((await act(`Bearer ${tokens.access_token}`, 5200)).verdict, "allow")
  assert.equal((await act(`Bearer ${tokens.access_token}`, 5200)).verdict, "deny", "again")
  const renewal = await fetchWith(identity, new URL(`/v1/sessions/${session.id}/renewal`, at.one.agentsUrl), {
    method: "POST",
    headers: { authorization: `Bearer ${tokens.access_token}` },
  })
  assert.equal(((await renewal.json()) as { code: string }).code, "token-invalid", "it opens nothing else")
})

test("with a key and DPoP, and after both it and the server were killed, it goes on by the saved auth_req_id", async () => {
  const asking = await at.asking()
  const { session, web } = asking
  const [before] = await byKey(asking)
  const hint = await web.token({ webUrl: at.issuer }, session.id)
  const saved = JSON.stringify(await client.initiateBackchannelAuthentication(before, parameters(hint, 5300)))

  // The process is gone with all that it knew, and so is the server that it asked.
  await at.one.child.kill("SIGKILL")
  at.lead(at.two)
  await at.decide(await at.newest(session.id))
  const [configuration, DPoP] = await byKey(asking)
  const resumed = JSON.parse(saved) as client.BackchannelAuthenticationResponse
  const tokens = await client.pollBackchannelAuthenticationGrant(configuration, resumed, undefined, { DPoP })
  assert.equal(tokens.token_type, "dpop")
  const once = client.genericGrantRequest(
    configuration,
    "urn:openid:params:grant-type:ciba",
    { auth_req_id: resumed.auth_req_id },
    { DPoP },
  )
  await assert.rejects(once, (error) => error instanceof client.ResponseBodyError && error.error === "invalid_grant")

  const act = (amount: number) =>
    web.ask({ webUrl: at.issuer }, "POST /v1/actions", tokens.access_token, {
      body: { session: session.id, action: action(amount) },
    })
  assert.equal((await act(5300)).json["verdict"], "allow")
  const { json } = await web.ask({ webUrl: at.issuer }, "GET /v1/sessions", tokens.access_token)
  assert.equal(json["code"], "token-invalid")
  const restarted = await (await at.ground.standby(at.one)).serve()
  at.lead(restarted)
})

test("what somebody denies, the client is told as an error of CIBA's", async () => {
  const asking = await at.asking()
  const [configuration, DPoP] = await byKey(asking)
  const hint = await asking.web.token({ webUrl: at.issuer }, asking.session.id)
  const polling = askAndWait(configuration, hint, DPoP)
  const approval = await until("a request", () => at.newest(asking.session.id).catch(() => null))
  await at.decide(approval, "deny")
  await assert.rejects(polling, (error) => error instanceof client.ResponseBodyError && error.error === "access_denied")
})
