import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { newId, Refusal, refusalCode } from "#kernel"
import { endOwnSession } from "../end.ts"
import { issuer, openTestCiba } from "./ciba.fixture.ts"

const ciba = await openTestCiba()
const { at, rooms, bot, ask } = ciba
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const only = (hint: object) => ask({ login_hint_token: undefined, ...hint })

/** Everything that an agent can tell of a refusal. */
async function toldOf(hint: object): Promise<string> {
  try {
    await only(hint)
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return JSON.stringify([error.code, error.message, error.detail])
  }
  throw new Error(`${JSON.stringify(hint)} was taken`)
}

describe("by what an agent names the user", () => {
  after(() => ciba[Symbol.asyncDispose]())

  test("pitfall 9: a session's access token names its user; so does the session's id, and the user's where it is one session's", async () => {
    const { id, token } = await ciba.session()
    await only({ login_hint_token: token })
    await only({ login_hint: id })
    const carol = await at.person("carol")
    const own = await at.session(carol, bot)
    await only({ login_hint: carol.id })
    const { session } = (await rooms.approvals.list({ limit: 1 }))[0]!
    assert.equal(session, own)
    await at.session(carol, bot)
    await assert.rejects(only({ login_hint: carol.id }), refusedWith("hint-unknown"), "which of two, nobody knows")
  })

  test("pitfall 26, enumeration: of whom there is and whom the agent does not act for, it is told one and the same", async () => {
    const { bot: other } = await ciba.instance()
    const dave = await at.person("dave")
    const theirs = await ciba.session(other)
    const ended = await ciba.session()
    await endOwnSession(rooms, bot, ended.id)
    const own = await rooms.sessions.clientCredentials({}, { ...bot, confirmation: { jkt: "k" } })
    const { auth_req_id: id } = await ask()
    await at.decide((await rooms.approvals.list({ limit: 1 }))[0]!.id, at.alice)
    const { id_token: idToken, access_token: approval } = await ciba.poll(id)
    const bare = await at.gate.open(bot)
    const hints = {
      "nobody by name": { login_hint: "nobody" },
      "a user who is known, and for whom it does not act": { login_hint: dave.id },
      "a user's name at the provider": { login_hint: "alice" },
      "no user at all": { login_hint: newId("user") },
      "no session at all": { login_hint: newId("session") },
      "another instance's session": { login_hint: theirs.id },
      "another instance's token": { login_hint_token: theirs.token },
      "an ended session": { login_hint: ended.id },
      "an ended session's token": { login_hint_token: ended.token },
      "an agent's own token": { login_hint_token: own.access_token },
      "an approval's token": { login_hint_token: approval },
      "a session without a user": { login_hint: bare.session.id },
      "no token": { login_hint_token: "x" },
      "a token of nobody's": { login_hint_token: "eyJhbGciOiJub25lIn0.e30." },
      "an ID token of ours": { id_token_hint: idToken },
      "an ID token as login hint token": { login_hint_token: idToken },
      "anything as ID token": { id_token_hint: "x" },
      "an issuer": { login_hint: issuer },
      "an id with a quote": { login_hint: "user_'; drop table sessions.sessions" },
    }
    const told = new Set<string>()
    for (const [what, hint] of Object.entries(hints)) {
      told.add(await toldOf(hint).catch((error: unknown) => assert.fail(`${what}: ${error}`)))
    }
    assert.equal(told.size, 1, [...told].join("\n"))
    assert.match([...told][0]!, /hint-unknown/)
  })

  test("CIBA Core §13: that a token has expired is told to whom it was issued", async () => {
    const { token } = await ciba.session()
    const late = { ...rooms, sessions: { ...rooms.sessions, hasExpired: () => true } }
    // The clock is the database's: what has expired there is refused, and hasExpired() says why.
    const verifyToken = async () => Promise.reject(new Refusal("token-invalid", "Not valid."))
    const expired = { ...late, sessions: { ...late.sessions, verifyToken } }
    await assert.rejects(ask({ login_hint_token: token }, { at: expired }), refusedWith("hint-expired"))
    const invalid = { ...rooms, sessions: { ...rooms.sessions, verifyToken } }
    await assert.rejects(ask({ login_hint_token: token }, { at: invalid }), refusedWith("hint-unknown"))
  })
})
