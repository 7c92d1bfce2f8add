import assert from "node:assert/strict"
import { describe, test } from "node:test"
import { compareAnswers } from "./answers.ts"
import { createLogRules } from "./log-rules.ts"
import type { Observation, Seen } from "./observations.ts"
import { type Entry, emptyRecord, parseEntry, type Violation } from "./record.ts"
import { createResourceRules, type Look } from "./resource-rules.ts"
import { noTroubles } from "./trouble.ts"

const caps = { leases: 3, leasesPerSession: 2, forbidden: ["edit"] }
const bounds = { gone: 2_000, readBack: 250, lateConnection: 1_500 }
const START = Date.parse("2030-01-01T00:00:00Z")
const at = (ms: number) => new Date(START + ms).toISOString()
const bot = { name: "bot", instance: "instance_1" }
const undisturbed = () => 0

/** What a log is written from: milliseconds since its start, and the rest of the leaf. */
type Written = { event: string; ms?: number; id?: string; [name: string]: unknown }

const applied = (digest: string): Written => ({ event: "policy.applied", data: { digest } })
const opened = (session = "session_1"): Written => ({ event: "sessions.opened", session, agent: bot })
const ended = (more: Partial<Written> = {}): Written => ({ event: "sessions.ended", session: "session_1", ...more })
const begun = (id: string, more: Partial<Written> = {}, operation = "read"): Written => ({
  event: "gate.action-begun",
  id,
  session: "session_1",
  agent: bot,
  action: { id: `action_${id}`, type: "credential", resource: "kb", operation },
  data: { policyVersion: "v1" },
  deadline: at(60_000),
  ...more,
})
const about = (lease: string) => ({ lease, resource: "kb", operation: "read", role: `sc_x_${lease}` })
const intended = (lease: string, by: string, more: Partial<Written> = {}): Written => ({
  event: "credentials.lease-intended",
  session: "session_1",
  action: { id: `action_${by}`, type: "credential", resource: "kb", operation: "read" },
  data: about(lease),
  ...more,
})
const issued = (lease: string, of: string, more: Partial<Written> = {}): Written => ({
  event: "credentials.lease-issued",
  session: "session_1",
  of,
  data: { ...about(lease), oid: "4711", expiresAt: at(10_000), hardEndAt: at(30_000) },
  ...more,
})
const revoked = (lease: string, more: Partial<Written> = {}): Written => ({
  event: "credentials.lease-revoked",
  session: "session_1",
  data: about(lease),
  ...more,
})
const discarded = (of: string): Written => ({ event: "gate.action-discarded", session: "session_1", of })
const succeeded = (of: string): Written => ({ event: "gate.action-succeeded", session: "session_1", of })
const suspended: Written = { event: "agents.suspended", data: { agent: "bot" } }
const token = (jti: string, ms = 0): Written => ({
  event: "sessions.token-issued",
  session: "session_1",
  data: { jti },
  ms,
})

/** One lease from its intent to its end: what nothing is wrong with. */
const whole = [
  applied("v1"),
  opened(),
  token("token_1"),
  begun("a"),
  intended("l1", "a"),
  issued("l1", "a"),
  revoked("l1", { ms: 1_000 }),
  ended({ ms: 2_000 }),
]

function entriesOf(written: readonly Written[]): Entry[] {
  return written.map(({ ms = 0, ...leaf }, index) =>
    parseEntry(new TextEncoder().encode(JSON.stringify({ id: `entry_${index}`, at: at(ms), ...leaf })), index),
  )
}

/** Rules that each entry breaks, and the record of them all. */
function read(written: readonly Written[], untilMs = 0) {
  const found: Violation[] = []
  const record = emptyRecord()
  const rules = createLogRules(record, caps, (violation) => found.push(violation))
  for (const entry of entriesOf(written)) rules.take(entry)
  rules.due(START + untilMs, undisturbed)
  return { rules: found.map(({ rule }) => rule), record }
}

describe("the checker reads a log", () => {
  test("with nothing wrong in it and finds nothing", () => {
    assert.deepEqual(read(whole, 300_000).rules, [])
  })

  const planted: [rule: string, written: Written[], untilMs?: number][] = [
    ["session-unknown", [applied("v1"), begun("a")]],
    ["session-twice", [opened(), opened()]],
    ["session-end-twice", [opened(), ended(), ended()]],
    ["after-end", [opened(), ended(), { event: "sessions.renewed", session: "session_1" }]],
    ["after-end", [applied("v1"), opened(), begun("a"), intended("l", "a"), ended(), issued("l", "a")]],
    ["while-suspended", [applied("v1"), opened(), begun("a"), intended("l", "a"), suspended, issued("l", "a")]],
    ["released-too-late", [applied("v1"), opened(), ended(), begun("a"), succeeded("a")]],
    ["released-too-late", [applied("v1"), opened(), suspended, begun("a"), succeeded("a")]],
    ["released-too-late", [applied("v1"), opened(), applied("v2"), begun("a"), succeeded("a")]],
    ["forbidden-allowed", [applied("v1"), opened(), begun("a", {}, "edit"), succeeded("a")]],
    ["no-deadline", [applied("v1"), opened(), begun("a", { deadline: undefined }), succeeded("a")]],
    ["outcome-twice", [applied("v1"), opened(), begun("a"), succeeded("a"), succeeded("a")]],
    ["outcome-twice", [applied("v1"), opened(), begun("a"), discarded("a"), succeeded("a")]],
    ["outcome-of-nothing", [opened(), succeeded("entry_99")]],
    ["outcome-never", [applied("v1"), opened(), begun("a")], 91_000],
    [
      "missing-twice",
      [applied("v1"), opened(), begun("a"), succeeded("a"), { event: "audit.outcome-missing", of: "a" }],
    ],
    ["lease-unallowed", [opened(), intended("l", "a")], 0],
    ["lease-unallowed", [applied("v1"), opened(), begun("a"), intended("l", "a"), issued("l", "b")]],
    ["lease-unintended", [applied("v1"), opened(), begun("a"), issued("l", "a")]],
    ["lease-twice", [...whole.slice(0, 6), issued("l1", "a")]],
    ["lease-after-end", [applied("v1"), opened(), begun("a"), intended("l", "a"), revoked("l"), issued("l", "a")]],
    ["lease-end-twice", [...whole.slice(0, 7), revoked("l1")]],
    ["intended-for-ever", [applied("v1"), opened(), begun("a"), intended("l", "a"), succeeded("a")], 91_000],
    [
      "past-hard-end",
      [
        ...whole.slice(0, 6),
        {
          event: "credentials.lease-renewed",
          session: "session_1",
          data: { ...about("l1"), expiresAt: at(31_000) },
        },
      ],
    ],
    [
      "cap-exceeded",
      [
        applied("v1"),
        opened(),
        ...["a", "b", "c"].flatMap((by) => [begun(by), intended(`l-${by}`, by), succeeded(by)]),
      ],
    ],
    ["void-session-open", [suspended, opened()], 11_000],
  ]
  for (const [rule, written, untilMs] of planted) {
    test(`and finds ${rule}: ${written.map(({ event }) => event.split(".")[1]).join(", ")}`, () => {
      const { rules } = read(written, untilMs)
      assert.ok(rules.includes(rule), `found ${rules.join(", ") || "nothing"}`)
    })
  }

  test("in which a decision came too late and was discarded, and finds nothing", () => {
    assert.deepEqual(read([applied("v1"), opened(), ended(), begun("a"), discarded("a")], 300_000).rules, [])
  })

  test("with an entry left out, and finds the gap", () => {
    const found: string[] = []
    const rules = createLogRules(emptyRecord(), caps, ({ rule }) => found.push(rule))
    const [first, , third] = entriesOf(whole)
    rules.take(first!)
    rules.take(third!)
    assert.ok(found.includes("index-gap"))
  })
})

describe("the checker looks at a resource", () => {
  const account = { role: "sc_x_l1", oid: "4711", untilMs: START + 10_000 }
  const look = (ms: number, more: Partial<Look> = {}): Look => ({
    resource: "kb",
    atMs: START + ms,
    accounts: [account],
    connections: [],
    ...more,
  })
  const seen = (
    looks: Look[],
    written: readonly Written[] = whole,
    lateBy: (dueMs: number) => number = undisturbed,
  ) => {
    const found: string[] = []
    const { record } = read(written)
    const rules = createResourceRules(record, bounds, ({ rule }) => found.push(rule))
    for (const each of looks) rules.look(each)
    rules.judge(START + 60_000, lateBy)
    return { found, rules }
  }
  const gone = (ms: number) => look(ms, { accounts: [] })

  test("that is as the log says and finds nothing", () => {
    const { found, rules } = seen([look(500), look(900), gone(1_100)])
    assert.deepEqual([found, rules.seen, rules.standing], [[], 1, 0])
  })

  const planted: [rule: string, looks: Look[], written?: Written[]][] = [
    ["account-unintended", [look(500, { accounts: [{ ...account, role: "sc_x_nobody" }] })]],
    ["account-before-intent", [look(-1_000), gone(100)]],
    ["account-after-end", [look(500), look(1_400)]],
    ["account-past-hard-end", [look(500, { accounts: [{ ...account, untilMs: START + 31_000 }] })]],
    ["account-past-hard-end", [look(500, { accounts: [{ ...account, untilMs: null }] })]],
    [
      "connection-after-end",
      [look(500), look(3_000, { accounts: [], connections: [{ oid: "4711", pid: 1, startedAtMs: 0 }] })],
    ],
    [
      "connection-after-end",
      [look(3_000, { accounts: [], connections: [{ oid: "4711", pid: 1, startedAtMs: START }] })],
    ],
    ["account-after-session", [look(500), look(4_500)], whole.toSpliced(6, 1)],
    ["account-after-expiry", [look(500), look(12_500)], whole.slice(0, 6)],
  ]
  for (const [rule, looks, written] of planted) {
    test(`and finds ${rule}`, () => assert.ok(seen(looks, written).found.includes(rule)))
  }

  test("after trouble, and waits for what nobody could help, no longer", () => {
    const troubles = noTroubles(1_000)
    troubles.succeeded("server", START + 500)
    troubles.failed("server", START + 800)
    troubles.succeeded("server", START + 5_000)
    const open = whole.toSpliced(6, 1)
    assert.deepEqual(seen([look(500), look(5_900)], open, troubles.lateBy).found, [])
    assert.ok(seen([look(500), look(6_100)], open, troubles.lateBy).found.includes("account-after-session"))
    assert.deepEqual([troubles.totalMs, troubles.longerThan(0)], [4_500, []])
  })

  test("that does not answer for long, and says that it cannot see", () => {
    const troubles = noTroubles(1_000)
    for (const ms of [0, 60_000, 120_001]) troubles.failed("resource", ms)
    assert.deepEqual([troubles.longerThan(120_000), troubles.longerThan(121_000)], [["resource"], []])
  })
})

describe("the checker compares the log with what agents were answered", () => {
  const answered = (answers: Seen[], written: readonly Written[] = whole) => {
    const found: string[] = []
    const observations = answers.map((each) => ({ atMs: START, ...each }) as Observation)
    compareAnswers(observations, read(written).record, ({ rule }) => found.push(rule))
    return found
  }
  const leased = { kind: "leased", session: "session_1", lease: "l1", role: "sc_x_l1", key: "k" } as const
  const decided = { kind: "decided", session: "session_1", entry: "a", verdict: "allow", operation: "read" } as const

  test("and finds nothing where everything stands there", () => {
    assert.deepEqual(
      answered([
        { kind: "token", session: "session_1", jti: "token_1" },
        decided,
        leased,
        leased,
        { kind: "returned", lease: "l1", isCut: true },
        { kind: "ended", session: "session_1" },
      ]),
      [],
    )
  })

  const late = [applied("v1"), opened(), ended(), token("token_2"), begun("b"), discarded("b")]
  const planted: [rule: string, answers: Seen[], written?: Written[]][] = [
    ["unrecorded", [{ ...leased, lease: "l9" }]],
    ["unrecorded", [{ ...decided, entry: "entry_9" }]],
    ["unrecorded", [{ kind: "token", session: "session_1", jti: "token_9" }]],
    ["unrecorded", [{ kind: "returned", lease: "l1", isCut: true }], whole.slice(0, 6)],
    ["unrecorded", [{ kind: "ended", session: "session_1" }], whole.slice(0, 6)],
    ["unrecorded", [{ kind: "outcome", entry: "a", outcome: "failed" }]],
    ["unrecorded", [{ kind: "enrolled", instance: "instance_9" }]],
    ["unrecorded", [{ kind: "applied", digest: "v9" }]],
    ["unrecorded", [{ kind: "stopped", agent: "bot" }]],
    ["answer-differs", [{ ...decided, verdict: "deny" }]],
    ["answer-differs", [{ ...leased, role: "sc_x_l2" }]],
    [
      "key-twice",
      [leased, { ...leased, lease: "l2", role: "sc_x_l2" }],
      [...whole.slice(0, 6), begun("b"), intended("l2", "b"), issued("l2", "b")],
    ],
    ["released-too-late", [{ kind: "token", session: "session_1", jti: "token_2" }], late],
    ["released-too-late", [{ ...decided, entry: "b" }], late],
    [
      "released-too-late",
      [{ kind: "token", session: "session_1", jti: "token_3" }],
      [opened(), suspended, token("token_3", 1_001)],
    ],
    ["seen-wrong", [{ kind: "wrong", what: "a connection is alive" }]],
  ]
  for (const [rule, answers, written] of planted) {
    test(`and finds ${rule}: ${answers.map(({ kind }) => kind).join(", ")}`, () =>
      assert.ok(answered(answers, written).includes(rule)))
  }
})
