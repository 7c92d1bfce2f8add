import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { OperatorPrincipal } from "#agents"
import { type Json, newId, refusalCode } from "#kernel"
import { act } from "../act.ts"
import { approving, openTestApproving } from "../approve/approve.fixture.ts"
import { askRoutes } from "../ask-routes.ts"

const at = await openTestApproving()
const { gate, rooms, alice } = at
/** Another enforcement point than the operator. */
const other = { ...gate.operator, spiffeId: "spiffe://example.org/operator/other", name: "other" }
type Body = { [name: string]: Json }
type Answer = { status: number; json: { [name: string]: never } & { context: Body; decision?: boolean } }

const routes = askRoutes(rooms)
async function call(method: string, path: string, body: Body | undefined, caller: OperatorPrincipal, headers = {}) {
  const id = path.split("/requests/")[1]
  const found = routes.find((each) => each.method === method && each.path === (id ? "/access/v1/requests/{id}" : path))!
  const parsed = body === undefined ? undefined : found.body!.parse(body)
  const request = {
    caller,
    params: id ? { id } : {},
    query: {},
    body: parsed,
    headers: new Headers(headers),
    listener: "agents",
  }
  const answer = await found.handle(request as never)
  if (!(answer instanceof Response)) return { status: 200, json: answer } as Answer
  return { status: answer.status, json: (await answer.json()) as never } as Answer
}
const evaluate = (body: Body, caller = gate.operator) => call("POST", "/access/v1/evaluation", body, caller)
const submit = (body: Body, caller = gate.operator, headers = {}) =>
  call("POST", "/access/v1/requests", body, caller, headers)
const look = (id: unknown, caller = gate.operator) => call("GET", `/access/v1/requests/${id}`, undefined, caller)

let amount = 0
/** The question whether the agent may raise a salary in a session, by an amount of its own. */
const question = (session: string, given: Body = { employee: "E-7", amount: ++amount }, operation = "raise"): Body => ({
  subject: { type: "agents::Agent", id: "bot" },
  action: { name: "tool", properties: { operation, arguments: given } },
  resource: { type: "credentials::Resource", id: "hr" },
  context: { purpose: "answer", session },
})

/** Denied, and what a request for it is bound by. */
async function denied(session: string, asked = question(session)) {
  const { json } = await evaluate(asked)
  assert.equal(json.decision, false)
  const { evaluation_id, access_request } = json.context as { evaluation_id: string; access_request: Body }
  return { asked, denial: { evaluation_id, expires_at: access_request["expires_at"]! } }
}
const taskOf = ({ json }: Answer) =>
  (json as unknown as { task: { id: string; status: string; status_endpoint: string } }).task
const approvalOf = ({ json }: Answer) => (json as unknown as { result: { approval: Body } }).result.approval
const problemOf = ({ status, json }: Answer) => [status, String(json["type"]).split(":").at(-1)]
const shown = (asked: Body, approval: Body): Body => ({
  ...asked,
  context: { ...(asked["context"] as Body), approval },
})

/** Requested and approved: the question and the approval for it. */
async function approved() {
  const { asked, denial } = await denied(await at.session())
  const { id } = taskOf(await submit({ ...asked, denial }))
  await at.decide(id, alice)
  return { asked, approval: approvalOf(await look(id)) }
}

describe("AuthZEN access requests", () => {
  after(() => at[Symbol.asyncDispose]())

  test("§ requestable denial: what somebody could approve says so, for ten minutes; what nobody could does not", async () => {
    const session = await at.session()
    const { json } = await evaluate(question(session))
    const { context } = json
    assert.equal(context["reason"], "approval_required")
    assert.equal(context["evaluation_id"], context["entry"])
    const expires = (context["access_request"] as { expires_at: string }).expires_at
    assert.equal(Date.parse(expires) - Date.parse(context["evaluated_at"] as string), 600_000)
    const bare = (await gate.open()).session.id
    const without: Body[] = [
      question(session, {}, "fire"),
      question(session, {}, "look"),
      question(bare),
      question(newId("session")),
      { ...question(session), context: { purpose: "answer" } },
      { ...question(session), subject: { type: "agents::Agent", id: "nobody" } },
      { ...question(session), subject: { type: "sessions::User", id: alice.id } },
      { ...question(session), context: { purpose: "other", session } },
    ]
    for (const asked of without) {
      assert.equal((await evaluate(asked)).json.context["access_request"], undefined, JSON.stringify(asked))
    }
  })

  test("§ submission to re-evaluation: asked, approved, and allowed once; the agent cannot use it again at the gate", async () => {
    const session = await at.session()
    const { asked, denial } = await denied(session)
    const submitted = await submit({ ...asked, denial })
    assert.equal(submitted.status, 202)
    const task = taskOf(submitted)
    assert.equal(task.status, "pending")
    assert.match(task.status_endpoint, /^https:.*\/access\/v1\/requests\/approval_/)
    assert.equal(taskOf(await look(task.id)).status, "pending")
    const early = await evaluate(shown(asked, { id: task.id }))
    assert.equal(early.json.decision, false)
    await at.decide(task.id, alice)
    const approval = approvalOf(await look(task.id))
    const again = await evaluate(shown(asked, approval))
    assert.equal(again.json.decision, true)
    assert.deepEqual((again.json.context["approval"] as Body)["id"], task.id)
    const used = (await rooms.approvals.find(task.id))!
    assert.equal(used.usedBy, again.json.context["entry"])
    const twice = await evaluate(shown(asked, approval))
    assert.deepEqual([twice.json.decision, twice.json.context["next_action"]], [false, "request"])
    const { type, resource, operation, arguments: given } = used.action!
    const action = { type, resource, operation, arguments: given }
    const acted = await act(rooms, gate.bot, { session, action, idempotencyKey: null, approval: task.id })
    assert.equal(acted.decision.verdict, "deny")
    const [entry] = await gate.entries("gate.access-requested")
    assert.deepEqual([entry!.by, entry!.data!["denial"]], [gate.operator.spiffeId, denial.evaluation_id])
  })

  test("§ re-evaluation: of eight at two servers one is allowed", async () => {
    await using second = await gate.another()
    const { asked, approval } = await approved()
    const there = askRoutes(second.rooms).find(({ path }) => path === "/access/v1/evaluation")!
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, nth) => {
        const body = shown(asked, approval)
        if (nth % 2 === 0) return (await evaluate(body)).json.decision
        const request = { caller: gate.operator, body: there.body!.parse(body), headers: new Headers() }
        return ((await there.handle(request as never)) as { decision: boolean }).decision
      }),
    )
    assert.equal(answers.filter((decision) => decision === true).length, 1)
  })

  test("§ decision and binding integrity: an approval is for the very question, and no other", async () => {
    const { asked, approval } = await approved()
    const session = (asked["context"] as { session: string }).session
    const changed = question(session, { employee: "E-7", amount: 1_000_000 })
    for (const [what, body] of Object.entries({
      "another amount": shown(changed, approval),
      "another session": shown({ ...asked, context: { purpose: "answer", session: await at.session() } }, approval),
      "an approval that there is not": shown(asked, { id: newId("approval") }),
      "no id": shown(asked, { id: 7 }),
    })) {
      assert.equal((await evaluate(body)).json.decision, false, what)
    }
    await gate.apply({ ...approving, policies: [] } as never)
    assert.equal((await evaluate(shown(asked, approval))).json.decision, false, "policy is asked again")
    await gate.apply(approving as never)
    assert.equal((await evaluate(shown(asked, approval))).json.decision, true)
  })

  test("an approval that another asked for, the agent itself or another enforcement point, is not used up here", async () => {
    const session = await at.session()
    const own = { employee: "E-7", amount: ++amount }
    const { held } = await at.raise(session, own)
    await at.decide(held!.id, alice)
    const { json } = await evaluate(shown(question(session, own), { id: held!.id }))
    assert.deepEqual([json.decision, json.context["reason"]], [false, "approval_unverifiable"])
    assert.equal((await at.raise(session, own, { approval: held!.id })).decision.verdict, "allow")
    const { asked, approval } = await approved()
    assert.equal((await evaluate(shown(asked, approval), other)).json.decision, false)
    assert.equal((await evaluate(shown(asked, approval))).json.decision, true)
  })

  test("§ denial binding by reference: anything else than what was denied is refused, and so is what is too old", async () => {
    const session = await at.session()
    const { asked, denial } = await denied(session)
    const unbound = [400, "invalid_denial_binding"]
    for (const body of [
      { ...question(session, { employee: "E-8", amount: 1 }), denial },
      { ...asked, context: { purpose: "answer", session: await at.session() }, denial },
      { ...asked, denial: { ...denial, evaluation_id: newId("entry") } },
      { ...asked, denial: { ...denial, evaluation_id: "x" } },
      { ...asked, denial: { expires_at: denial.expires_at } },
      { ...asked, denial: { ...denial, binding_token: "e30.e30.e30" } },
      { ...asked, denial, client: { actor: { sub: "somebody" } } },
    ] as Body[]) {
      assert.deepEqual(problemOf(await submit(body)), unbound, JSON.stringify(body))
    }
    assert.deepEqual(problemOf(await submit({ ...asked, denial }, other)), unbound, "who was not told of it")
    const allowed = await evaluate(question(session, {}, "look"))
    const of = { ...denial, evaluation_id: allowed.json.context["evaluation_id"]! }
    assert.deepEqual(
      problemOf(await submit({ ...question(session, {}, "look"), denial: of })),
      unbound,
      "what was allowed",
    )
    const clock = { nowMs: () => Date.now() + 601_000 }
    const late = askRoutes({ ...rooms, clock } as never).find((each) => each.path === "/access/v1/requests")!
    const request = { caller: gate.operator, body: late.body!.parse({ ...asked, denial }), headers: new Headers() }
    assert.equal(((await late.handle(request as never)) as Response).status, 410)
    assert.throws(() => late.body!.parse({ ...asked, denial, items: [] }), "several in one")
    const more = { ...asked, context: { ...(asked["context"] as Body), business_justification: "x" } }
    assert.equal((await submit({ ...more, denial })).status, 202, "what is added to the context does not count")
  })

  test("§ requests that need none by now, or that the agent asks itself, are not requestable", async () => {
    const session = await at.session()
    const { asked, denial } = await denied(session)
    const own = { employee: "E-7", amount }
    await at.raise(session, own)
    assert.deepEqual(problemOf(await submit({ ...asked, denial })), [400, "not_requestable"])
    const ended = await denied(await at.session())
    const { session: over } = ended.asked["context"] as { session: string }
    await rooms.audit.commit(rooms.sessions.end(over, "ended", "server"))
    assert.deepEqual(problemOf(await submit({ ...ended.asked, denial: ended.denial })), [400, "not_requestable"])
  })

  test("§ idempotency: the same key with the same request is the same task, and with another a conflict", async () => {
    const session = await at.session()
    const [one, two] = [await denied(session), await denied(session)]
    const key = { "idempotency-key": "k-1" }
    const first = taskOf(await submit({ ...one.asked, denial: one.denial }, gate.operator, key))
    const again = taskOf(await submit({ ...one.asked, denial: one.denial }, gate.operator, key))
    assert.equal(again.id, first.id)
    const conflict = await submit({ ...two.asked, denial: two.denial }, gate.operator, key)
    assert.deepEqual(problemOf(conflict), [409, "duplicate_request"])
  })

  test("§ task handle authorization: a handle is nothing to anybody else", async () => {
    const { asked, denial } = await denied(await at.session())
    const { id } = taskOf(await submit({ ...asked, denial }))
    assert.deepEqual(problemOf(await look(id, other)), [404, "unknown_task"])
    assert.deepEqual(problemOf(await look(newId("approval"))), [404, "unknown_task"])
    assert.deepEqual(problemOf(await look("x")), [404, "unknown_task"])
    const { held } = await at.raise(await at.session())
    assert.deepEqual(problemOf(await look(held!.id)), [404, "unknown_task"], "an agent's own request")
  })

  test("§ task status: denied, expired and withdrawn are final, and no approval comes with them", async () => {
    for (const [state, end] of Object.entries({
      denied: (id: string) => at.decide(id, alice, "deny", "session"),
      expired: (id: string) =>
        gate.store.owner.query("update approvals.requests set expires_at = now() where id = $1", [id]),
      cancelled: (id: string) => rooms.audit.commit(rooms.approvals.withdraw({ ids: [id] }, "session-ended", "server")),
    })) {
      const { asked, denial } = await denied(await at.session())
      const { id } = taskOf(await submit({ ...asked, denial }))
      await end(id)
      const answer = await look(id)
      assert.equal(taskOf(answer).status, state)
      assert.ok(!("result" in answer.json))
      assert.equal((await evaluate(shown(asked, { id }))).json.decision, false)
    }
  })

  test("what takes of a limit is not requestable: nothing would count what is done elsewhere", async () => {
    const limited = { type: "safeconduct_action", actions: ["tool:raise"], locations: ["hr"], limits: [{ uses: 3 }] }
    const agents = { bot: { ...approving.agents.bot, ceiling: [limited] } }
    await gate.apply({ ...approving, agents } as never)
    const { json } = await evaluate(question(await at.session()))
    assert.equal(json.decision, false)
    assert.equal(json.context["access_request"], undefined)
    await gate.apply(approving as never)
  })

  test("what cannot be recorded is neither answered nor asked", async () => {
    const { asked, denial } = await denied(await at.session())
    await gate.unplugged(async () => {
      const unavailable = (error: unknown) => refusalCode(error) === "store-unavailable"
      await assert.rejects(evaluate(asked), unavailable)
      await assert.rejects(submit({ ...asked, denial }), unavailable)
    })
  })
})
