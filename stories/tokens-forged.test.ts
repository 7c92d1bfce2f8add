import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { hashOf, newSigner, seconds, unsigned } from "../server/src/sessions/proof.fixture.ts"
import { openWebGround, type WebGround } from "./fixtures/web-ground.ts"

const LIST = "GET /v1/sessions"

describe("forged proofs and assertions", { timeout: 180_000 }, () => {
  let web: WebGround
  let { balancer, one, two, clientOf } = {} as WebGround
  before(async () => {
    web = await openWebGround()
    ;({ balancer, one, two, clientOf } = web)
  })
  after(() => web?.[Symbol.asyncDispose]())

  test("are refused for whatever is wrong with a proof", async () => {
    const [client, other] = [await clientOf(), await clientOf("other")]
    const token = await client.token(one)
    const right = {
      htm: "GET",
      htu: `${balancer.url}/v1/sessions`,
      nonce: await client.nonceOf(one),
      ath: hashOf(token),
    }
    const pem = Buffer.from(createPublicKey(client.privateKey).export({ format: "pem", type: "spki" }))
    const { privateKey: rsa } = generateKeyPairSync("rsa", { modulusLength: 2_048 })
    const { d } = client.privateKey.export({ format: "jwk" })
    const header = { typ: "dpop+jwt", alg: "none", jwk: client.jwk }
    const wrong: Record<string, string> = {
      "alg none": unsigned(header, { ...right, jti: "0123456789", iat: seconds() }),
      "HS256 with the public key": await client.proof(right, { alg: "HS256" }, pem),
      RS256: await client.proof(right, { alg: "RS256" }, rsa),
      "another agent's key under ours": await client.proof(right, {}, other.privateKey),
      "the private key along": await client.proof(right, { jwk: { ...client.jwk, d: d! } as never }),
      "another method": await client.proof({ ...right, htm: "POST" }),
      "another path": await client.proof({ ...right, htu: `${balancer.url}/v1/actions` }),
      "the address of the server itself": await client.proof({ ...right, htu: `${one.webUrl}/v1/sessions` }),
      "another token": await client.proof({ ...right, ath: hashOf("another") }),
      "no token": await client.proof({ ...right, ath: undefined }),
      "the future": await client.proof({ ...right, iat: seconds() + 120 }),
      "the past": await client.proof({ ...right, iat: seconds() - 120 }),
      "too long a header": await client.proof({ ...right, padding: "x".repeat(5_000) }),
    }
    for (const [what, proof] of Object.entries(wrong)) {
      const { status, code } = await client.ask(one, LIST, token, { proof })
      assert.deepEqual([status, code], [401, "dpop-proof-invalid"], what)
    }
    const endless = await client.proof({ ...right, padding: "x".repeat(20_000) })
    assert.equal((await client.ask(one, LIST, token, { proof: endless })).status, 431)
    const nonces = [undefined, "", "made-up", await client.nonceOf(two)]
    for (const nonce of nonces) {
      const { status, code } = await client.ask(one, LIST, token, { proof: await client.proof({ ...right, nonce }) })
      assert.deepEqual([status, code], [401, "use-dpop-nonce"], nonce)
    }
    assert.equal((await client.ask(one, LIST, token)).status, 200, "and the right one is good")
  })

  test("get no token for whatever is wrong with an assertion, and are told in the words of OAuth", async () => {
    const [client, other] = [await clientOf(), await clientOf("other")]
    const pem = Buffer.from(createPublicKey(client.privateKey).export({ format: "pem", type: "spki" }))
    const claims = { iss: client.client, sub: client.client, aud: balancer.url }
    const wrong: Record<string, string> = {
      "alg none": unsigned({ alg: "none", kid: client.jkt }, { ...claims, jti: "0123456789", exp: seconds() + 60 }),
      "HS256 with the public key": await client.assertion(claims, { alg: "HS256" }, pem),
      "another agent's key": await client.assertion(claims, {}, other.privateKey),
      "another agent's assertion": await other.newAssertion(),
      "another issuer": await client.newAssertion({ aud: "https://other.example" }),
      "another issuer beside ours": await client.newAssertion({ aud: [balancer.url, "https://other.example"] }),
      "an end in the past": await client.newAssertion({ iat: seconds() - 120, exp: seconds() - 60 }),
      "an end in an hour": await client.newAssertion({ exp: seconds() + 3_600 }),
      "the future": await client.newAssertion({ iat: seconds() + 120, exp: seconds() + 180 }),
      "another agent's name": await client.newAssertion({ iss: other.client, sub: other.client }),
    }
    for (const [what, assertion] of Object.entries(wrong)) {
      const { status, code, json } = await client.askToken(two, { assertion })
      assert.deepEqual([status, code], [401, "invalid_client"], what)
      assert.deepEqual(Object.keys(json), ["error", "error_description"])
    }
    const noNonce = await client.proof({ htm: "POST", htu: `${balancer.url}/oauth2/token` })
    const first = await client.askToken(two, { proof: noNonce })
    assert.deepEqual([first.status, first.code], [400, "use_dpop_nonce"])
    assert.match(first.headers.get("dpop-nonce")!, /^[\w-]{22}$/)
    const othersProof = await other.proofFor(two, "POST", "/oauth2/token")
    assert.equal((await client.askToken(two, { proof: othersProof })).code, "invalid_client", "another's proof")
    const bad = await client.proofFor(two, "POST", "/oauth2/token", { htm: "GET" })
    assert.deepEqual((await client.askToken(two, { proof: bad })).code, "invalid_dpop_proof")
    const strange = { ...client, ...(await newSigner()) }
    const assertion = await strange.assertion(claims)
    const proof = await strange.proof({
      htm: "POST",
      htu: `${balancer.url}/oauth2/token`,
      nonce: await client.nonceOf(two),
    })
    assert.equal(
      (await client.askToken(two, { assertion, proof })).code,
      "invalid_client",
      "a key that nobody enrolled",
    )
  })
})
