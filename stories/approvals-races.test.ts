import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { after, before, describe, test } from "node:test"
import {
  type Identity,
  openTransport,
  peerOf,
  type Safeconduct,
  SafeconductError,
  type Transport,
} from "@safeconduct/sdk"
import { signChange } from "../cli/src/sign-change.ts"
import { openPages } from "./fixtures/approver.ts"
import { type Answered, type Approving, type Asked, openApproving, raise, withApprovals } from "./fixtures/approving.ts"
import type { Document } from "./fixtures/document.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { violationsOfLog } from "./fixtures/invariants.ts"
import type { Server } from "./fixtures/servers.ts"
import { openStage, type Stage } from "./fixtures/stage.ts"
import { readLog } from "./fixtures/standing.ts"
import { until } from "./fixtures/until.ts"

const patient = { withinMs: 60_000 }

describe("approvals, raced on two servers", { timeout: 600_000 }, () => {
  let ground: Ground
  let two: Server
  let agent: Safeconduct
  let stage: Stage
  let people: Approving
  let pages: ReturnType<typeof openPages>[]
  let transports: Transport[]
  before(async () => {
    ground = await openGround({ agents: ["bot"] })
    two = await (await ground.standby()).serve()
    await ground.apply(withApprovals(withUsers(ground.document)))
    agent = await ground.enrolled("bot")
    stage = openStage(ground, agent)
    people = openApproving(stage)
    const { issuer } = ground.configuration
    pages = [people.pages, openPages(() => two.webUrl, issuer)]
    transports = [agent.transport, openTransport({ ...peerOf(agent.identity), url: two.agentsUrl })]
  })
  after(async () => {
    transports?.[1]?.[Symbol.dispose]()
    await ground?.[Symbol.asyncDispose]()
  })

  /** So many at once, at one server and the other in turn. */
  const race = <T>(count: number, run: (nth: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, nth) => run(nth)))
  /** What the agent is answered that has an approval: the verdict, or why not; and the entry. */
  const use = async (
    { session, approval }: Asked,
    key: string,
    by: Transport,
  ): Promise<{ is: string; entry?: string }> => {
    const body = { session, action: raise, approval }
    return await by
      .json<Answered>({ method: "POST", path: "/v1/actions", body, idempotencyKey: key, maxAttempts: 1 })
      .then(({ verdict, entry }) => ({ is: verdict, entry }), codeOf)
  }
  const codeOf = (error: unknown) => {
    if (error instanceof SafeconductError) return { is: error.code }
    throw error
  }
  const count = (answers: readonly { is: string }[], is: string) => answers.filter((each) => each.is === is).length
  const rowsOf = async (table: string, more: string, ...values: string[]) =>
    (await ground.ours.query(`select from approvals.${table} where ${more}`, values)).rowCount
  const indexOf = async (session: string, event: string) => (await ground.entries({ session, event }))[0]?.index

  test("of 64 decisions, by signatures and without, one stands, and no poll ever saw another", async () => {
    for (const _ of [1, 2, 3]) {
      const by = await people.asking()
      const form = await people.pages.signed(by, by.approval)
      const seen: string[] = []
      const decided = race(64, async (nth) => {
        const fields = nth % 4 < 2 ? form : { decision: "deny" }
        return (await pages[nth % 2]!.decide(by, by.approval, fields)).status
      })
      const polled = race(64, async (nth) => {
        const path = `/v1/approvals/${by.approval}`
        const { state } = await transports[nth % 2]!.json<{ state: string }>({ method: "GET", path })
        seen.push(state)
      })
      const [statuses] = await Promise.all([decided, polled])
      assert.equal(statuses.filter((status) => status === 303).length, 1)
      const final = await people.stateOf(by.approval)
      assert.ok(["approved", "denied"].includes(final), final)
      for (const state of seen) assert.ok(["requested", final].includes(state), `${state} before ${final}`)
      assert.equal(await rowsOf("decisions", "request = $1", by.approval), 1)
      const told = await Promise.all(
        ["approved", "denied"].map((each) => stage.entries(by.session, `approvals.${each}`)),
      )
      assert.deepEqual(told, final === "approved" ? [1, 0] : [0, 1])
    }
  })

  test("64 requests with one approval begin the action once: by 64 keys one of them, by one key all of them alike", async () => {
    const different = await people.approving()
    const answers = await race(64, (nth) => use(different, randomUUID(), transports[nth % 2]!))
    assert.equal(count(answers, "allow"), 1)
    assert.equal(count(answers, "allow") + count(answers, "deny") + count(answers, "approval-used"), 64)
    assert.equal(await stage.entries(different.session, "gate.action-begun"), 1)

    const same = await people.approving()
    const alike = await race(64, (nth) => use(same, same.key, transports[nth % 2]!))
    assert.deepEqual([...new Set(alike.map(({ is }) => is))], ["allow"])
    assert.equal(new Set(alike.map(({ entry }) => entry)).size, 1)
    assert.equal(await stage.entries(same.session, "gate.action-begun"), 1)
  })

  test("the same action, asked 16 times at once, is one request, and the user is told once", async () => {
    const by = await people.acting()
    const body = { session: by.session, action: raise }
    const held = await race(16, async (nth) => {
      const asked = { method: "POST", path: "/v1/actions", body, idempotencyKey: randomUUID() } as const
      return (await transports[nth % 2]!.json<Answered>(asked)).approval!.id
    })
    assert.equal(new Set(held).size, 1)
    assert.equal(await stage.entries(by.session, "approvals.requested"), 1)
    assert.equal(await rowsOf("notices", "user_id = $1 and kind = 'asked'", by.user), 1)
  })

  test("what a browser was given to make a passkey with lets one in", async () => {
    const by = await people.acting()
    const { answer } = await people.pages.newPasskey(by)
    const statuses = await race(8, async (nth) => (await pages[nth % 2]!.enrol(by, answer)).status)
    // The user has one: without its signature none comes in, and the first was the one of acting().
    assert.equal(statuses.filter((status) => status === 303).length, 0)
    const fresh = await people.stranger()
    const first = (await people.pages.newPasskey(fresh)).answer
    const all = await race(8, async (nth) => (await pages[nth % 2]!.enrol(fresh, first)).status)
    assert.equal(all.filter((status) => status === 303).length, 1)
    assert.equal(await rowsOf("passkeys", "user_id = $1", fresh.user), 1)
  })

  test("an auth_req_id is redeemed once, also when the request goes by two names", async () => {
    const by = await people.acting()
    const hint = await agent.transport.form<{ access_token: string }>("/oauth2/token", {
      grant_type: "client_credentials",
      safeconduct_session: by.session,
    })
    const detail = {
      type: "safeconduct_one_action",
      actions: ["tool:raise"],
      locations: ["hr"],
      arguments: raise.arguments,
    }
    const asked = await race(2, async (nth) => {
      const form = { scope: "openid", login_hint_token: hint.access_token, binding_message: "As agreed" }
      const authorization_details = JSON.stringify([detail])
      const path = "/oauth2/bc-authorize"
      return await transports[nth]!.form<{ auth_req_id: string }>(path, { ...form, authorization_details })
    })
    const { rows } = await ground.ours.query("select id from approvals.requests where session = $1", [by.session])
    assert.equal(rows.length, 1)
    const named = { ...by, approval: rows[0].id as string, key: randomUUID() }
    assert.equal((await people.sign(named)).status, 303)
    const redeemed = await race(16, async (nth) => {
      const auth_req_id = asked[nth % 4 < 2 ? 0 : 1]!.auth_req_id
      const form = { grant_type: "urn:openid:params:grant-type:ciba", auth_req_id }
      return await transports[nth % 2]!.form<object>("/oauth2/token", form).then(() => ({ is: "redeemed" }), codeOf)
    })
    assert.equal(count(redeemed, "redeemed"), 1)
    assert.equal(await stage.entries(by.session, "approvals.token-issued"), 1)
    await people.usedOnce(named)
  })

  test("a decision that comes as the time runs out is taken, or it is too late", async () => {
    const waiting = await Promise.all(Array.from({ length: 6 }, () => people.asking()))
    const signed = await Promise.all(waiting.map((by) => people.pages.signed(by, by.approval)))
    const ids = waiting.map(({ approval }) => approval)
    await ground.ours.query(
      "update approvals.requests set expires_at = clock_timestamp() + interval '150 milliseconds' where id = any($1)",
      [ids],
    )
    const statuses = await race(waiting.length * 8, async (nth) => {
      const at = nth % waiting.length
      return { at, status: (await pages[nth % 2]!.decide(waiting[at]!, ids[at]!, signed[at]!)).status }
    })
    for (const [at, by] of waiting.entries()) {
      const state = await until(
        "it is over",
        async () => {
          const now = await people.stateOf(by.approval)
          return now !== "requested" && now
        },
        patient,
      )
      const taken = statuses.filter((each) => each.at === at && each.status === 303).length
      assert.deepEqual([state, taken], taken === 1 ? ["approved", 1] : ["expired", 0])
      assert.equal((await use(by, by.key, transports[0]!)).is, taken === 1 ? "allow" : "deny")
    }
  })

  test("a decision, or a use, that comes as the session ends begins nothing after that", async () => {
    for (const nth of [0, 1, 2, 3]) {
      const by = nth < 2 ? await people.asking() : await people.approving()
      const form = nth < 2 ? await people.pages.signed(by, by.approval) : {}
      const other = transports[1]!
      const ending = other.json({ method: "DELETE", path: `/v1/sessions/${by.session}` })
      const meanwhile = race(8, async (each) => {
        if (nth < 2) return { is: String((await pages[each % 2]!.decide(by, by.approval, form)).status) }
        return await use(by, by.key, transports[each % 2]!)
      })
      await Promise.all([ending, meanwhile])
      const later = await use(by, randomUUID(), transports[0]!)
      assert.notEqual(later.is, "allow")
      const ended = (await indexOf(by.session, "sessions.ended"))!
      const begun = await ground.entries({ session: by.session, event: "gate.action-begun" })
      const thrown = await ground.entries({ session: by.session, event: "gate.action-discarded" })
      const stood = begun.filter(({ id }) => !thrown.some(({ leaf }) => leaf.of === id))
      for (const { index } of stood) assert.ok(index < ended, `${index} after the end at ${ended}`)
      assert.equal(await rowsOf("requests", "session = $1 and state = 'requested'", by.session), 0, "nothing waits")
    }
  })

  test("nothing is begun with an approval once the agent was stopped", async () => {
    const suspend = (method: "POST" | "DELETE") =>
      ground.operator.json({
        method,
        path: "/v1/agents/bot/suspension",
        body: { reason: "a test" },
        isRepeatable: true,
      })
    for (const _ of [1, 2, 3]) {
      const all = await Promise.all(Array.from({ length: 6 }, () => people.approving()))
      const used = race(
        all.length * 2,
        async (nth) => await use(all[nth % all.length]!, randomUUID(), transports[nth % 2]!),
      )
      await suspend("POST")
      await used
      const [stopped] = (await ground.entries({ event: "agents.suspended" })).slice(-1)
      for (const { session } of all) {
        const begun = await ground.entries({ session, event: "gate.action-begun" })
        const thrown = await ground.entries({ session, event: "gate.action-discarded" })
        const stood = begun.filter(({ id }) => !thrown.some(({ leaf }) => leaf.of === id))
        for (const { index } of stood) assert.ok(index < stopped!.index, `${index} after ${stopped!.index}`)
      }
      await suspend("DELETE")
      const late = await race(all.length, (nth) => use(all[nth]!, randomUUID(), transports[nth % 2]!))
      assert.equal(count(late, "allow"), 0)
    }
  })

  test("of eight signatures under a change one puts it in force", async () => {
    const second = await ground.second("approver")
    const others = await signers(second, [ground.first, two])
    const { document } = await ground.operator.json<{ document: Document & { approvals: object } }>({
      ...{ method: "GET", path: "/v1/policy" },
    })
    await ground.apply({ ...document, approvals: { ...document.approvals, changes: "two-operators" } } as Document)
    const changed = { ...document, purposes: { ...document.purposes, more: document.purposes["answer"]! } }
    const { id, ...rest } = await ground.operator.json<Change>({
      ...{ method: "PUT", path: "/v1/policy", body: { document: changed } },
    })
    const path = `/v1/policy/changes/${id}/approval`
    const signature = signChange(second, { change: id, ...rest })
    const answers = await race(8, (nth) =>
      others[nth % 2]!.json({ method: "POST", path, body: { signature }, maxAttempts: 1 }).then(
        () => ({ is: "applied" }),
        codeOf,
      ),
    )
    assert.equal(count(answers, "applied"), 1, JSON.stringify(answers))
    assert.equal((await ground.entries({ event: "policy.change-approved" })).length, 1)
    for (const each of others) each[Symbol.dispose]()
  })

  test("what could not be recorded is refused, and the same key begins it once when the database is back", async () => {
    const by = await people.approving()
    const waiting = await people.asking()
    const form = await people.pages.signed(waiting, waiting.approval)
    await ground.own.stop()
    const refused = await race(4, (nth) => use(by, by.key, transports[nth % 2]!))
    assert.deepEqual([...new Set(refused.map(({ is }) => is))], ["store-unavailable"])
    assert.equal((await pages[0]!.decide(waiting, waiting.approval, form)).status, 503)
    await ground.startOwn()
    const isAllowed = async () => {
      const { is, entry } = await use(by, by.key, transports[1]!)
      return is === "allow" && entry
    }
    const entry = await until("the database is used again", isAllowed, patient)
    assert.equal((await use(by, by.key, transports[0]!)).entry, entry)
    assert.equal(await stage.entries(by.session, "gate.action-begun"), 1)
    assert.equal(await people.stateOf(waiting.approval), "requested")
    assert.equal((await pages[0]!.decide(waiting, waiting.approval, form)).status, 303)
  })

  test("afterwards the log says nothing else", async () => {
    const log = await readLog(ground.logReader(ground.first), ground.logKey)
    assert.deepEqual(violationsOfLog(log, { isAtRest: false }), [])
  })
})

type Change = { id: string; digest: string; expected: string | null; issuer: string }

async function signers(identity: Identity, servers: readonly Server[]): Promise<Transport[]> {
  return servers.map(({ agentsUrl: url }) => openTransport({ ...peerOf(identity), url }))
}

/** Where users come back to, and that they may do what their agents do. */
function withUsers(document: Document): Document {
  const { bot } = document.agents
  return {
    ...document,
    agents: { bot: { ...bot!, redirectUris: ["https://shop.example/callback"] } },
    policies: [
      ...document.policies,
      { file: "users.cedar", text: `@id("users") permit (principal is sessions::User, action, resource);` },
    ],
  }
}
