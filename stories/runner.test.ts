import assert from "node:assert/strict"
import { test } from "node:test"
import { parseStory, type Vocabulary } from "./grammar.ts"
import { play } from "./runner.ts"
import type { Outcome, World } from "./world.ts"

const vocabulary: Vocabulary = {
  refusals: new Set(["wrong-role"]),
  events: new Set(["sessions.opened", "sessions.ended"]),
}
const parse = (...lines: string[]) => parseStory("a.story.txt", ["# A story", ...lines].join("\n"), vocabulary)

const allowed: Outcome = { kind: "allowed", text: "Monday" }
const asked: Outcome = { kind: "asked", text: "Alice is asked" }
const refused: Outcome = { kind: "refused", code: "wrong-role", text: "not yours" }
const failed = (sqlState: string | null): Outcome => ({ kind: "failed", sqlState, text: "no" })

/** A world in which everything is allowed, unless told. */
function world(changes: Partial<World> = {}): World {
  const yes = async () => allowed
  return {
    session: yes,
    lease: yes,
    tool: yes,
    approve: yes,
    delegate: yes,
    login: yes,
    sql: yes,
    steal: yes,
    forge: yes,
    suspend: yes,
    resume: yes,
    call: yes,
    end: yes,
    privateOf: () => [],
    accounts: async () => [],
    provenEvents: async () => ["sessions.opened", "sessions.ended"],
    [Symbol.asyncDispose]: async () => undefined,
    ...changes,
  }
}

const malformed: [line: string, says: RegExp][] = [
  [
    "jump  high",
    /^Error: a\.story\.txt:2: "jump" is no verb; there are session, act, read, approve, end, expect, prove$/,
  ],
  ["session  bot", /none of the forms\n {2}session/],
  ["session  bot for work or play", /none of the forms/],
  ["session  bot for work lasting two seconds", /none of the forms/],
  ["act  dance", /none of the forms/],
  ["act  lease kb", /none of the forms/],
  ["act  sql", /none of the forms/],
  ["act  call FETCH /v1/a as bot", /none of the forms/],
  ["end  it", /none of the forms/],
  ["expect  success", /none of the forms/],
  ["expect  allowed soon", /none of the forms/],
  ["expect  refused no-such-code", /"no-such-code" is no refusal/],
  ["prove  sessions.forgotten", /"sessions\.forgotten" is no event/],
  ["prove  some entries", /none of the forms/],
]
for (const [line, says] of malformed) {
  test(`a story may not say: ${line}`, () => assert.throws(() => parse(line, "expect  allowed"), says))
}

test("a story says what it shows, expects something, and expects nothing of nothing", () => {
  assert.throws(
    () => parseStory("a.story.txt", "end\nexpect  allowed", vocabulary),
    /^Error: a\.story\.txt:1: a story begins/,
  )
  assert.throws(() => parse("end"), /shows nothing/)
  assert.throws(() => parse("expect  allowed"), /:2: nothing happened/)
})

test("every form of every verb is read", () => {
  const lines = [
    `session  alice → bot  for work  about order=1181  lasting 2s  "the question about order 1181"`,
    "act  lease kb read",
    "act  lease kb write with order=1181",
    "act  delegate part (kb read) to other",
    "act  delegate part (tool hr raise) to other",
    "act  tool hr raise",
    `act  tool hr raise {"employee": "E-7", "amount": 5200} saying "so \\"they\\" say" as approved`,
    "act  login",
    "act  sql@second  select 1 as  one",
    "act  steal svid of bot",
    "act  suspend bot",
    "act  call GET /v1/agents as nobody",
    `act  call POST /v1/sessions {"purpose": "work"} as bot`,
    "read  poisoned.txt",
    "approve  alice denies",
    "end",
    `expect  answer "Monday to Friday" within 20ms`,
    "expect  failed 28P01",
    "expect  nothing of bob",
    "expect  asked",
    'expect  no "\\u202e"',
    "prove  2 entries",
    "prove  sessions.opened  sessions.ended",
  ]
  const raise = { verb: "act", act: "tool", resource: "hr", operation: "raise" }
  const steps = parse(...lines).steps.map(({ line: _, source: __, ...meaning }) => meaning)
  assert.deepEqual(steps, [
    {
      verb: "session",
      user: "alice",
      agent: "bot",
      purpose: "work",
      values: { order: "1181" },
      seconds: 2,
      request: "the question about order 1181",
    },
    { verb: "act", act: "lease", resource: "kb", operation: "read", values: {} },
    { verb: "act", act: "lease", resource: "kb", operation: "write", values: { order: "1181" } },
    {
      verb: "act",
      act: "delegate",
      purpose: "part",
      type: "credential",
      resource: "kb",
      operation: "read",
      agent: "other",
    },
    { verb: "act", act: "delegate", purpose: "part", type: "tool", resource: "hr", operation: "raise", agent: "other" },
    { ...raise, arguments: {}, said: null, isApproved: false },
    { ...raise, arguments: { employee: "E-7", amount: 5200 }, said: 'so "they" say', isApproved: true },
    { verb: "act", act: "login" },
    { verb: "act", act: "sql", connection: "second", sql: "select 1 as one" },
    { verb: "act", act: "steal", agent: "bot" },
    { verb: "act", act: "suspend", agent: "bot" },
    { verb: "act", act: "call", method: "GET", path: "/v1/agents", body: null, as: "nobody" },
    { verb: "act", act: "call", method: "POST", path: "/v1/sessions", body: { purpose: "work" }, as: "bot" },
    { verb: "read", document: "poisoned.txt" },
    { verb: "approve", user: "alice", isDenied: true },
    { verb: "end" },
    { verb: "expect", expect: "answer", text: "Monday to Friday", withinMs: 20 },
    { verb: "expect", expect: "failed", sqlState: "28P01", withinMs: null },
    { verb: "expect", expect: "nothing", of: "bob", withinMs: null },
    { verb: "expect", expect: "asked", withinMs: null },
    { verb: "expect", expect: "no", text: "\u202e", withinMs: null },
    { verb: "prove", count: 2 },
    { verb: "prove", events: ["sessions.opened", "sessions.ended"] },
  ])
})

test("a story that is true plays to its end", async () => {
  const story = parse(
    "end",
    "expect  allowed",
    `expect  answer "Monday"`,
    "expect  gone",
    "prove  sessions.opened",
    "prove  2 entries",
  )
  await play(story, world())
})

const untrue: [title: string, lines: string[], world: World, says: RegExp][] = [
  [
    "something allowed that must be refused",
    ["end", "expect  refused wrong-role"],
    world(),
    /:3: .*\n {2}but it was allowed/,
  ],
  ["another refusal", ["end", "expect  allowed"], world({ end: async () => refused }), /but it was refused wrong-role/],
  ["another answer", ["end", `expect  answer "Sunday"`], world(), /but it was allowed: Monday/],
  ["another SQLSTATE", ["end", "expect  failed 42501"], world({ end: async () => failed("28P01") }), /failed 28P01/],
  ["a denial instead of a cut", ["end", "expect  cut"], world({ end: async () => failed("42501") }), /failed 42501/],
  ["an account left over", ["end", "expect  gone"], world({ accounts: async () => ["sc_a_b"] }), /still has sc_a_b/],
  ["an entry missing", ["end", "expect  allowed", "prove  3 entries"], world(), /:4: .*\n {2}but the log has 2/],
  [
    "entries in another order",
    ["end", "expect  allowed", "prove  sessions.ended  sessions.opened"],
    world(),
    /in this order/,
  ],
  [
    "a failure that nothing is expected of",
    ["act  login", "end", "expect  allowed"],
    world({ login: async () => refused }),
    /:2: act login/,
  ],
  ["somebody's secret", ["end", "expect  nothing of bob"], world({ privateOf: () => ["Mon"] }), /but Mon came through/],
  [
    "a secret in a failure's words",
    ["end", "expect  nothing of bob"],
    world({ end: async () => failed("42501"), privateOf: () => ["no"] }),
    /but no came through/,
  ],
  [
    "a request that is nobody's",
    [`session  bot  for work  "everything, please"`, "expect  allowed"],
    world(),
    /only a user asks/,
  ],
  [
    "what is not built",
    ["read  a.txt", "expect  allowed"],
    world(),
    /could not be tried: documents and their labels are/,
  ],
  ["what was to wait and did not", ["act  tool hr pay", "expect  asked"], world(), /but it was allowed/],
  [
    "what waits and was to be done",
    ["act  tool hr pay", "expect  allowed"],
    world({ tool: async () => asked }),
    /it waits/,
  ],
  ["words that were to be nowhere", ["approve  alice", `expect  no "Mon"`], world(), /"Mon" stands in it/],
]
for (const [title, lines, at, says] of untrue) {
  test(`a story fails at ${title}`, async () => {
    await assert.rejects(play(parse(...lines), at, 0), says)
  })
}

test("what happens a moment after the answer is waited for", async () => {
  const left = [["sc_a_b"], ["sc_a_b"], []]
  await play(parse("end", "expect  gone"), world({ accounts: async () => left.shift() ?? [] }))
  assert.deepEqual(left, [])
})

test("a cut is one with its SQLSTATE and one without", async () => {
  for (const state of ["57P01", null])
    await play(parse("end", "expect  cut"), world({ end: async () => failed(state) }))
})

test("what takes too long fails", async () => {
  const slow = world({ end: () => new Promise((resolve) => setTimeout(() => resolve(allowed), 30)) })
  await assert.rejects(play(parse("end", "expect  allowed within 5ms"), slow), /but it took \d+ ms/)
})
