import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose"
import { refusalCode } from "#kernel"
import { act } from "../act.ts"
import { endOwnSession } from "../end.ts"
import { revokeToken } from "../tokens/revoke.ts"
import { authorizeBackchannel } from "./authorize.ts"
import { issuer, openTestCiba, raise } from "./ciba.fixture.ts"

const ciba = await openTestCiba()
const { at, rooms, bot, ask, poll, wait } = ciba
const { gate, alice } = at
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code

/** The newest request for approval. */
async function newest(): Promise<string> {
  const [found] = await rooms.approvals.list({ limit: 1 })
  return found!.id
}

/** Asked and approved, with the token; in a session of its own. */
async function approved(given = { employee: "E-9", amount: Math.random() }) {
  const session = await ciba.session()
  const acknowledged = await ask({ login_hint_token: session.token, authorization_details: [raise(given)] as never })
  const approval = await newest()
  await at.decide(approval, alice)
  return { session, approval, given, ...acknowledged }
}

const acting = (
  session: string,
  given: object,
  approval: string | undefined,
  caller = bot,
  key: string | null = null,
) => {
  const action = { type: "tool", resource: "hr", operation: "raise", arguments: given as never } as const
  return act(rooms, caller, { session, action, idempotencyKey: key, approval })
}

describe("OpenID CIBA towards agents", () => {
  after(() => ciba[Symbol.asyncDispose]())

  test("what a person approves is fetched once as a token, and the action passes by it, once", async () => {
    const asked = await ask({ binding_message: "Raise for E-7, as agreed" })
    assert.deepEqual(Object.keys(asked), ["auth_req_id", "expires_in", "interval"])
    const id = await newest()
    const approval = (await rooms.approvals.find(id))!
    assert.equal(approval.facts!.said, "Raise for E-7, as agreed")
    await assert.rejects(poll(asked.auth_req_id), refusedWith("authorization-pending"))
    await at.decide(id, alice)
    const answer = await poll(asked.auth_req_id)
    assert.deepEqual([answer.token_type, answer.scope], ["Bearer", "openid"])
    assert.ok(answer.expires_in <= 120 && answer.expires_in > 100)
    assert.deepEqual(answer.authorization_details, [raise(approval.action!.arguments as never)])
    await assert.rejects(poll(asked.auth_req_id), refusedWith("grant-invalid"))

    const claims = await rooms.sessions.verifyToken(answer.access_token, bot.confirmation)
    const presented = { ...bot, onlyApproval: claims.txn! }
    const done = await acting(approval.session, approval.action!.arguments, presented.onlyApproval)
    assert.equal(done.decision.verdict, "allow")
    const again = await acting(approval.session, approval.action!.arguments, presented.onlyApproval)
    assert.equal(again.decision.verdict, "deny")
    const [issued] = await gate.entries("approvals.token-issued")
    assert.deepEqual([issued!.data!["approval"], issued!.by], [id, bot.spiffeId])
  })

  test("CIBA Core §10.1.1: the ID token is for the client, names the request, and the user by a name of the agent's own", async () => {
    const { auth_req_id: id } = await approved()
    const { id_token: text } = await poll(id)
    const keys = createLocalJWKSet(rooms.sessions.jwks() as never)
    const { payload } = await jwtVerify(text, keys, { issuer, audience: bot.spiffeId })
    assert.equal(payload["urn:openid:params:jwt:claim:auth_req_id"], id)
    assert.ok(!text.includes(alice.id) && payload.sub !== alice.sub)
    assert.ok(Math.abs((payload["auth_time"] as number) - Date.now() / 1000) < 60, "she proved herself for it")
    const { auth_req_id: second } = await approved()
    assert.equal(decodeJwt((await poll(second)).id_token).sub, payload.sub, "the same from then on")
  })

  test("who fetched the token and asks again is asked anew, and the token is worth nothing from then on", async () => {
    const { session, given, approval, auth_req_id: first } = await approved()
    const again = () => ask({ login_hint_token: session.token, authorization_details: [raise(given)] as never })
    assert.notEqual((await again()).auth_req_id, first)
    assert.equal(await newest(), approval, "before that it is the same request, by another name")
    await poll(first)
    const { auth_req_id: anew } = await again()
    const asked = await newest()
    assert.notEqual(asked, approval)
    await assert.rejects(poll(anew), refusedWith("authorization-pending"))
    const [withdrawn] = await gate.entries("approvals.withdrawn")
    assert.deepEqual(withdrawn!.data, { approval, reason: "asked-anew" })
    assert.equal((await acting(session.id, given, approval)).decision.verdict, "deny")
    await at.decide(asked, alice)
    assert.ok((await poll(anew)).access_token)
    assert.equal((await acting(session.id, given, asked)).decision.verdict, "allow")
    assert.equal((await acting(session.id, given, approval)).decision.verdict, "deny")
  })

  test("a request that names no action is about the one that its client is registered for, and about no other", async () => {
    await ciba.configure({ defaultAuthorizationDetails: [raise({ employee: "E-7", amount: 5 })] })
    const plain = { scope: "openid", binding_message: "1234" }
    const { id, token } = await ciba.session()
    const asked = await authorizeBackchannel(rooms, bot, { ...plain, login_hint: id })
    const approval = await newest()
    await at.decide(approval, alice)
    const answer = await poll(asked.auth_req_id)
    assert.deepEqual(answer.authorization_details, [raise({ employee: "E-7", amount: 5 })])
    assert.equal((await acting(id, { employee: "E-7", amount: 6 }, approval)).decision.verdict, "deny")
    assert.equal((await acting(id, { employee: "E-7", amount: 5 }, approval)).decision.verdict, "allow")

    // What is named wins, and what is named badly is not passed over for it.
    const own = raise({ employee: "E-8", amount: 9 })
    await ask({ login_hint_token: token, authorization_details: [own] as never })
    assert.deepEqual((await rooms.approvals.find((await newest()) as never))!.action!.arguments, own.arguments)
    for (const bad of ["", "[]", "null"]) {
      await assert.rejects(ask({ authorization_details: bad }), refusedWith("details-invalid"), bad)
    }
    await assert.rejects(ciba.askSigned({ authorization_details: null }), refusedWith("details-invalid"))
    await ciba.configure({})
    await assert.rejects(authorizeBackchannel(rooms, bot, { ...plain, login_hint: id }), refusedWith("invalid-request"))
  })

  test("the token is of the very action: another amount, session or instance gets nothing by it (pitfall 8)", async () => {
    const { auth_req_id: id, session, approval, given } = await approved()
    const { access_token: token } = await poll(id)
    assert.equal(decodeJwt(token)["txn"], approval)
    assert.equal((await acting(session.id, { ...given, amount: 1 }, approval)).decision.verdict, "deny")
    assert.equal((await acting((await ciba.session()).id, given, approval)).decision.verdict, "deny")
    const { bot: other } = await ciba.instance()
    const theirs = await ciba.session(other)
    assert.equal((await acting(theirs.id, given, approval, other)).decision.verdict, "deny")
    assert.equal((await acting(session.id, given, approval)).decision.verdict, "allow")
  })

  test("pitfall 10: what was approved is not given to an ended session, nor to a suspended agent", async () => {
    const ended = await approved()
    await endOwnSession(rooms, bot, ended.session.id)
    await assert.rejects(poll(ended.auth_req_id), refusedWith("approval-denied"))
    const waiting = await ciba.session()
    const { auth_req_id: id } = await ask({ login_hint_token: waiting.token })
    await endOwnSession(rooms, bot, waiting.id)
    await assert.rejects(poll(id), refusedWith("approval-denied"))
    const { auth_req_id: held } = await approved()
    await ciba.configure(null)
    await assert.rejects(poll(held), refusedWith("grant-not-allowed"))
    await ciba.configure({})
    const { bot: stopped } = await ciba.instance()
    const theirs = await ciba.session(stopped)
    const { auth_req_id: of } = await ask({ login_hint_token: theirs.token }, { caller: stopped })
    await at.decide(await newest(), alice)
    const revoked = { agent: "bot", instance: stopped.instance }
    await rooms.audit.commit(rooms.agents.revokeInstance(revoked, "lost", "server"))
    await rooms.epoch.refresh()
    await assert.rejects(poll(of, { caller: stopped }), refusedWith("identity-unknown"))
  })

  test("what policy denies is denied at once, and nobody is asked", async () => {
    const before = await newest()
    const denied = [raise({}, "fire")]
    const entries = (await gate.entries("gate.action-denied")).length
    await assert.rejects(ask({ authorization_details: denied as never }), refusedWith("approval-refused"))
    assert.equal(await newest(), before)
    assert.equal((await gate.entries("gate.action-denied")).length, entries + 1)
  })

  test("what needs nobody's approval is not asked for, begins nothing, and is recorded", async () => {
    const begun = (await gate.entries("gate.action-begun")).length
    const free = [raise({}, "look")]
    await assert.rejects(ask({ authorization_details: free as never }), refusedWith("approval-needless"))
    assert.equal((await gate.entries("gate.action-begun")).length, begun)
    const [entry] = await gate.entries("gate.approval-not-asked")
    assert.deepEqual(entry!.data, {
      code: "approval-needless",
      type: "tool",
      resource: "hr",
      operation: "look",
    })
  })

  test("CIBA Core §7.1: requested_expiry shortens how long it waits, and never makes that longer", async () => {
    for (const [asked, at] of [
      ["60", 60],
      ["100000000", 300],
    ] as const) {
      const { expires_in: seconds } = await ask({ requested_expiry: asked })
      assert.ok(seconds <= at && seconds > at - 5, `${asked}: ${seconds}`)
    }
    const { expires_in: signed } = await ciba.askSigned({ requested_expiry: 30 })
    assert.ok(signed <= 30 && signed > 25)
  })

  test("the same action asked again is the same request; both names lead to it, and one of them is redeemed", async () => {
    const session = await ciba.session()
    const more = { login_hint_token: session.token, authorization_details: [raise({ amount: 77 })] as never }
    const [one, two] = [await ask(more), await ask(more)]
    assert.notEqual(one.auth_req_id, two.auth_req_id)
    await at.decide(await newest(), alice)
    await poll(two.auth_req_id)
    await assert.rejects(poll(one.auth_req_id), refusedWith("grant-invalid"))
  })

  test("pitfall 11: 64 polls over two servers give one token", async () => {
    await using other = await gate.another()
    const { auth_req_id: id } = await approved()
    const tries = Array.from({ length: 64 }, (_, nth) =>
      poll(id, { at: nth % 2 === 0 ? rooms : other.rooms }).then(
        () => "token",
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    assert.equal(answers.filter((answer) => answer === "token").length, 1)
    assert.equal(answers.filter((answer) => answer === "grant-invalid").length, 63)
  })

  test("pitfall 11: a signed request is good once, of eight at two servers", async () => {
    await using other = await gate.another()
    const jti = `once-${Math.random()}`
    const tries = Array.from({ length: 8 }, (_, nth) =>
      ciba.askSigned({ jti }, { at: nth % 2 === 0 ? rooms : other.rooms }).then(
        () => "asked",
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    assert.equal(answers.filter((answer) => answer === "asked").length, 1)
    assert.equal(answers.filter((answer) => answer === "invalid-request").length, 7)
  })

  test("RFC 7009: revoking the token withdraws the approval, and leaves the session", async () => {
    const { auth_req_id: id, session, approval, given } = await approved()
    const { access_token: token } = await poll(id)
    const { bot: other } = await ciba.instance()
    await revokeToken(rooms, other, token)
    assert.equal((await rooms.approvals.find(approval))!.state, "approved", "another instance's certificate")
    await revokeToken(rooms, bot, token)
    assert.equal((await rooms.approvals.find(approval))!.state, "withdrawn")
    assert.equal((await acting(session.id, given, approval)).decision.verdict, "deny")
    assert.ok(await rooms.sessions.standing(session.id, bot))
  })

  test("who polls too soon is told to slow down, at any server (CIBA Core §11)", async () => {
    await using other = await gate.another()
    const { auth_req_id: id } = await ask()
    await assert.rejects(poll(id), refusedWith("authorization-pending"))
    await assert.rejects(poll(id, { at: other.rooms }), refusedWith("slow-down"))
    await wait(10)
    await assert.rejects(poll(id), refusedWith("authorization-pending"))
  })
})
