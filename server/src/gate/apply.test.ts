import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { newId } from "#kernel"
import { apply, compare, parseDocument } from "./apply.ts"
import { document, openTestGate, permit } from "./fixture.ts"

const gate = await openTestGate()
const { rooms, operator } = gate
const by = operator.spiffeId
const parsed = (part: object = {}) => parseDocument({ ...document, ...part })
const { answer } = document.purposes
const { bot } = document.agents
const renamed = (description: string) => parsed({ purposes: { answer: { ...answer, description } } })
const digest = () => rooms.policy.version()?.digest ?? null

const web = { description: "The web site" }
const key = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", kid: "1" }

const oneAction = { type: "safeconduct_one_action", actions: ["credential:read"], locations: ["kb"] }

/** What each configuration is refused for, by where. */
const mistakes: [string, object, RegExp][] = [
  [
    "a purpose that an agent names",
    { agents: { bot: { ...bot, purposes: ["typo"] } } },
    /^agents\.bot\.purposes: there is no purpose "typo"/,
  ],
  [
    "a resource that a ceiling names",
    { resources: { other: document.resources.kb } },
    /locations: there is no resource "kb"/,
  ],
  [
    "a purpose that a policy names",
    { policies: [{ file: "a.cedar", text: `@id("a") @purpose("typo") permit (principal, action, resource);` }] },
    /^a\.cedar:1: there is no purpose "typo"/,
  ],
  [
    "an operation that no resource has",
    { purposes: { answer: { ...answer, actions: [{ ...answer.actions[0], actions: ["credential:drop"] }] } } },
    /^purposes\.answer\.actions\.0\.actions: there is no operation "drop" of kb/,
  ],
  [
    "a credential of a resource that is only described",
    { resources: { kb: { ...document.resources.kb, limits: { leases: 0, leasesPerSession: 0 } } } },
    /^agents\.bot\.ceiling\.0\.actions: there is no operation "read" of kb that has a credential/,
  ],
  [
    "a tool that such a resource does not describe",
    {
      resources: {
        tools: { ...document.resources.kb, limits: { leases: 0, leasesPerSession: 0 } },
        ...document.resources,
      },
      purposes: { answer: { ...answer, actions: [{ ...answer.actions[0], locations: ["kb", "tools"] }] } },
    },
    /^purposes\.answer\.actions\.0\.actions: there is no tool "ask" of kb, tools/,
  ],
  [
    "a parameter that a rule names",
    {
      purposes: {
        answer: { ...answer, actions: [{ ...answer.actions[0], arguments: { a: [{ parameter: "typo" }] } }] },
      },
    },
    /^purposes\.answer\.actions\.0\.arguments\.a: the purpose has no parameter "typo"/,
  ],
  [
    "a look-up that a rule names",
    {
      purposes: {
        answer: { ...answer, actions: [{ ...answer.actions[0], arguments: { a: [{ lookedUp: "typo" }] } }] },
      },
    },
    /^purposes\.answer\.actions\.0\.arguments\.a: the purpose has no look-up "typo"/,
  ],
  ...[
    { named: "typo" },
    { choice: "typo" },
    { atMostLookedUp: "typo" },
    { fromSource: { names: "typo" } },
    { eachOf: [{ absent: true }, { named: "typo" }] },
  ].map((rule): [string, object, RegExp] => [
    `a look-up that ${Object.keys(rule)[0]} names`,
    { purposes: { answer: { ...answer, actions: [{ ...answer.actions[0], arguments: { a: [rule] } }] } } },
    /^purposes\.answer\.actions\.0\.arguments\.a: the purpose has no look-up "typo"/,
  ]),
  [
    "a claim that no provider maps",
    {
      agents: {
        bot: { ...bot, ceiling: [{ ...bot.ceiling[0], arguments: { a: [{ anyOf: [{ userClaim: "typo" }] }] } }] },
      },
    },
    /^agents\.bot\.ceiling\.0\.arguments\.a: no provider maps a claim to "typo"/,
  ],
  [
    "a rule that sessions cannot read",
    { agents: { bot: { ...bot, ceiling: [{ ...bot.ceiling[0], arguments: { a: "b" } }] } } },
    /^agents\.bot\.ceiling\.0\.arguments/,
  ],
  ["an agent that an application names", { applications: { web: { ...web, agents: ["typo"] } } }, /no agent "typo"/],
  [
    "a resource that it guards",
    { applications: { web: { ...web, resources: ["typo"] } } },
    /^applications\.web\.resources: there is no resource "typo"/,
  ],
  ["two keys of one name", { applications: { web: { ...web, keys: [key, key] } } }, /keys: two keys have one kid/],
  [
    "an agent that acts by delegated tokens",
    {
      providers: {
        shop: { issuer: "https://id.shop.example", clientId: "a", delegatedTokens: { agents: { "0oa1": "typo" } } },
      },
    },
    /^providers\.shop\.delegatedTokens: there is no agent "typo"/,
  ],
  ...(
    [
      ["a resource", { locations: ["typo"] }, /locations: there is no resource "typo"/],
      ["an operation", { actions: ["credential:drop"] }, /actions: there is no operation "drop" of kb/],
      ["no action", { actions: ["raise"] }, /: each action is tool:/],
      ["what is handed on", { actions: ["delegate:answer"] }, /: each action is tool:/],
    ] as const
  ).map(([what, more, says]): [string, object, RegExp] => [
    `${what} that a client is registered to ask for`,
    { agents: { bot: { ...bot, backchannel: { defaultAuthorizationDetails: [{ ...oneAction, ...more }] } } } },
    new RegExp(`^agents\\.bot\\.backchannel\\.defaultAuthorizationDetails.*${says.source}`),
  ]),
  ["Cedar that is broken", { policies: [{ file: "a.cedar", text: "permit (" }] }, /^a\.cedar:1:\d+/],
  ["an engine that there is not", { resources: { kb: { engine: "typo" } } }, /^resources\.kb\.engine/],
]

describe("a configuration", { timeout: 30_000 }, () => {
  after(() => gate[Symbol.asyncDispose]())

  for (const [title, part, says] of mistakes) {
    test(`is refused for ${title}, with the place, and the version in force stays`, async () => {
      const before = [digest(), (await gate.entries()).length]
      const refused = { code: "policy-invalid", message: says }
      assert.throws(() => compare(rooms, parsed(part)), refused)
      await assert.rejects(apply(rooms, by, parsed(part)), refused)
      assert.deepEqual([digest(), (await gate.entries()).length], before)
    })
  }

  test("that is no configuration is refused in words", () => {
    for (const value of [null, [], "text", { purposes: [] }, { typo: {} }, { policies: [{ file: "a" }] }]) {
      assert.throws(() => parseDocument(value), { code: "policy-invalid" }, JSON.stringify(value))
    }
  })

  test("says what it would change and changes nothing by it", async () => {
    const before = digest()
    const { digest: shown, lines } = compare(rooms, renamed("Answer well"))
    assert.deepEqual([shown, lines.length], [before, 1])
    assert.match(lines[0]!, /^~ purpose answer: description/)
    assert.equal(digest(), before)
    assert.deepEqual(compare(rooms, parsed()).lines, [])
  })

  test("takes effect in every room at once, or in none", async () => {
    const agents = { ...document.agents, second: { ...bot } }
    const { lines } = await apply(rooms, by, parsed({ agents, purposes: { answer, other: answer } }))
    assert.deepEqual(lines, ["+ purpose other", "+ agent second"])
    assert.deepEqual([rooms.agents.agent("second")?.state, rooms.sessions.purpose("other")?.name], ["active", "other"])
    const { session } = await gate.open()
    await gate.lease(session.id)
    const moved = parsed({ purposes: {}, agents: {}, resources: {}, policies: [] })
    await assert.rejects(apply(rooms, by, moved), {
      code: "policy-invalid",
      message: /resources\.kb: it has 1 open leases/,
    })
    assert.deepEqual([rooms.agents.agent("second")?.state, rooms.sessions.purpose("other")?.name], ["active", "other"])
    await rooms.credentials.revokeSession(session.id, "test")
    await gate.apply()
    assert.equal(rooms.agents.agent("second"), null)
  })

  test("that leaves an agent out marks its leases in the same commit, so that none is confirmed behind it", async () => {
    await apply(rooms, by, parsed({ agents: { ...document.agents, second: { ...bot } } }))
    const second = await gate.instance("second")
    const { session } = await gate.open(second)
    // What the policy says of this one does not matter: the lease is intended, as if it were being made elsewhere.
    const { result: lease } = await rooms.audit.commit(
      rooms.credentials.intend({
        session: session.id,
        purpose: session.purpose,
        caller: second,
        action: { id: newId("action"), digest: "d", type: "credential", resource: "kb", operation: "read" },
        idempotencyKey: null,
        leaseSeconds: 60,
        hardEndAt: session.hardEndAt,
      }),
    )
    await gate.apply()
    const [row] = await gate.store.owner.query<{ ending: string }>(
      "select ending from credentials.leases where id = $1",
      [lease.id],
    )
    assert.equal(row!.ending, "agent-retired")
    await assert.rejects(rooms.credentials.issue(lease), { code: "lease-ended" })
  })

  test("is not applied over another version than the one it was compared with", async () => {
    const shown = digest()
    await apply(rooms, by, renamed("One"), shown)
    await assert.rejects(apply(rooms, by, renamed("Two"), shown), { code: "idempotency-conflict" })
    await assert.rejects(apply(rooms, by, renamed("Two"), null), { code: "idempotency-conflict" })
    assert.equal(rooms.sessions.purpose("answer")?.description, "One")
    await apply(rooms, by, renamed("Two"), digest())
  })

  test("applied on two servers at once: one of the same expectation, and both where none was told", async () => {
    const other = await gate.another()
    const shown = digest()
    const both = (expected?: string | null) =>
      Promise.allSettled([
        apply(rooms, by, renamed(`A ${expected}`), expected),
        apply(other.rooms, by, renamed(`B ${expected}`), expected),
      ])
    const expecting = await both(shown)
    assert.deepEqual(expecting.map(({ status }) => status).sort(), ["fulfilled", "rejected"])
    const [refused] = expecting.flatMap((each) => (each.status === "rejected" ? [each.reason] : []))
    assert.equal(refused.code, "idempotency-conflict")
    assert.deepEqual(
      (await both()).map(({ status }) => status),
      ["fulfilled", "fulfilled"],
    )
    await Promise.all([rooms.epoch.refresh(), other.rooms.epoch.refresh()])
    const [one, two] = [rooms, other.rooms].map(({ policy, sessions }) => [
      policy.version()?.digest,
      sessions.purpose("answer")?.description,
    ])
    assert.deepEqual(one, two, "what is in force is one version, in all rooms")
  })

  test("may replace a version that does not load, which until then allows nothing", async () => {
    const { session } = await gate.open()
    await gate.store.owner.query("update policy.versions set document = jsonb_set(document, '{policies}', '[]')")
    const broken = await gate.another()
    await assert.rejects(async () => broken.rooms.policy.version(), { code: "policy-broken" })
    await assert.rejects(
      gate
        .bump()
        .then(() => broken.rooms.epoch.refresh())
        .then(() => broken.rooms.policy.inForce()),
      { code: "policy-broken" },
    )
    const { digest: shown, lines } = compare(broken.rooms, renamed("Whole again"))
    assert.deepEqual([shown, lines.includes("+ policy bot-reads")], [null, true])
    await apply(broken.rooms, by, renamed("Whole again"), shown)
    await rooms.epoch.refresh()
    assert.equal((await gate.lease(session.id)).decision.verdict, "allow")
  })

  test("leaves an entry of each room that it changes, by whom", async () => {
    const before = (await gate.entries()).length
    await apply(rooms, by, parsed({ policies: [{ file: "bot.cedar", text: `${permit}\n` }] }))
    const made = (await gate.entries()).slice(before)
    assert.deepEqual(
      made.map(({ event }) => event),
      ["policy.applied", "sessions.purposes-replaced", "credentials.resources-replaced"],
    )
    assert.deepEqual(new Set(made.map((leaf) => leaf.by)), new Set([by]))
  })
})
