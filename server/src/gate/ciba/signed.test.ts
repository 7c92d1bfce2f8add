import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { SignJWT } from "jose"
import { generateKey, refusalCode } from "#kernel"
import { authorizeBackchannel } from "./authorize.ts"
import { issuer, openTestCiba, raise } from "./ciba.fixture.ts"

const ciba = await openTestCiba({ signed: "required" })
const { rooms, bot, ask, askSigned } = ciba
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code

/** A signed request of the agent's with these claims beside what has to be in it. */
async function signed(claims: object): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const { token } = await ciba.session()
  const made = { iss: bot.spiffeId, aud: issuer, iat: now, nbf: now, exp: now + 60, jti: `request-${Math.random()}` }
  const given = { scope: "openid", login_hint_token: token, authorization_details: [raise({ amount: Math.random() })] }
  return await new SignJWT({ ...made, ...given, ...claims }).setProtectedHeader({ alg: "ES256" }).sign(ciba.key)
}

describe("signed requests", () => {
  after(() => ciba[Symbol.asyncDispose]())

  test("FAPI-CIBA §5.2.2: of whom signatures are required, nothing else is taken", async () => {
    await assert.rejects(ask(), refusedWith("invalid-request"))
    assert.ok((await askSigned()).auth_req_id)
  })

  test("CIBA Core §4: who is not required to sign may, and then it has to be right", async () => {
    await ciba.configure({})
    assert.ok((await askSigned()).auth_req_id)
    const { privateKey: key } = generateKey()
    await assert.rejects(askSigned({}, { key }), refusedWith("invalid-request"))
    await ciba.configure({ signed: "required" })
  })

  test("CIBA Core §7.1.1: the parameters stand in it, and none of them beside it", async () => {
    for (const [name, value] of Object.entries({
      scope: "openid",
      binding_message: "x",
      login_hint: "x",
      unknown: "x",
    })) {
      const form = { request: await signed({}), [name]: value }
      await assert.rejects(authorizeBackchannel(rooms, bot, form), refusedWith("invalid-request"), name)
    }
    const authenticated = { request: await signed({}), client_id: bot.spiffeId }
    assert.ok((await authorizeBackchannel(rooms, bot, authenticated)).auth_req_id, "but who the client is")
  })

  test("RFC 9101 §4: details may be in it as what they are, or as the text that a form would have", async () => {
    const text = JSON.stringify([raise({ amount: 3 })])
    for (const authorization_details of [text, JSON.parse(text) as unknown]) {
      const form = { request: await signed({ authorization_details }) }
      assert.ok((await authorizeBackchannel(rooms, bot, form)).auth_req_id)
    }
  })

  test("CIBA Core §7.1.1: another instance's signature is nobody's, also of the same agent", async () => {
    const { bot: other, key } = await ciba.instance()
    await assert.rejects(askSigned({}, { key }), refusedWith("invalid-request"))
    const { token } = await ciba.session(other)
    assert.ok((await askSigned({ login_hint_token: token }, { caller: other, key })).auth_req_id)
  })

  test("a request is good once: sent again it is refused, whatever became of it", async () => {
    const request = await signed({ authorization_details: [raise({}, "fire")] })
    await assert.rejects(authorizeBackchannel(rooms, bot, { request }), refusedWith("approval-refused"))
    await assert.rejects(authorizeBackchannel(rooms, bot, { request }), refusedWith("invalid-request"))
    const jti = "the-same-name"
    assert.ok((await askSigned({ jti })).auth_req_id)
    await assert.rejects(askSigned({ jti }), refusedWith("invalid-request"))
    const { bot: other, key } = await ciba.instance()
    const { token } = await ciba.session(other)
    const theirs = await askSigned({ jti, login_hint_token: token }, { caller: other, key })
    assert.ok(theirs.auth_req_id, "names are each client's own")
  })

  test("of many at once, at two servers, one is taken", async () => {
    await using other = await ciba.at.gate.another()
    const request = await signed({})
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, nth) =>
        authorizeBackchannel(nth % 2 === 0 ? rooms : other.rooms, bot, { request }).then(
          () => "taken",
          (error: unknown) => refusalCode(error),
        ),
      ),
    )
    assert.deepEqual(answers.sort(), [...Array.from({ length: 7 }, () => "invalid-request"), "taken"])
  })

  test("an instance whose key is not noted is told to renew, and nothing is taken on trust", async () => {
    const without = { ...rooms, agents: { ...rooms.agents, keyOf: async () => null } }
    await assert.rejects(askSigned({}, { at: without }), refusedWith("invalid-request"))
  })

  test("who is not registered for it gets nothing (CIBA Core §13)", async () => {
    await ciba.configure(null)
    await assert.rejects(askSigned(), refusedWith("grant-not-allowed"))
    await assert.rejects(ask(), refusedWith("grant-not-allowed"))
    await assert.rejects(ciba.poll("x"), refusedWith("grant-not-allowed"))
    await ciba.configure({ signed: "required" })
  })

  test("RFC 6749 §2.3: a client that says another name is refused", async () => {
    const form = { request: await signed({}), client_id: "spiffe://example.org/agent/other" }
    await assert.rejects(authorizeBackchannel(rooms, bot, form), refusedWith("identity-unknown"))
  })

  test("CIBA Core §11: the token endpoint takes the name alone", async () => {
    await assert.rejects(ciba.poll(undefined), refusedWith("invalid-request"))
    for (const form of [{ scope: "openid" }, { authorization_details: "[]" }]) {
      await assert.rejects(ciba.poll("x", { form }), refusedWith("invalid-request"))
    }
    await assert.rejects(ciba.poll("x"), refusedWith("grant-invalid"))
  })
})
