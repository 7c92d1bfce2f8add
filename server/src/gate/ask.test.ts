import assert from "node:assert/strict"
import { test } from "node:test"
import { Refusal } from "#kernel"
import type { AccessQuestion } from "#policy"
import { act } from "./act.ts"
import { askPolicy } from "./ask.ts"
import { before, document, openTestGate, permit, readKb } from "./fixture.ts"
import { rehearse } from "./rehearse.ts"
import type { Rooms } from "./rooms.ts"

const question: AccessQuestion = {
  subject: { type: "agents::Agent", id: "bot" },
  action: { name: "credential", properties: { operation: "read" } },
  resource: { type: "credentials::Resource", id: "kb" },
  context: { purpose: "answer" },
}
const closed = '@id("closed") forbid(principal, action, resource is credentials::Resource);'

function ask(rooms: Rooms, gate: { operator: Parameters<typeof askPolicy>[1] }) {
  const asked = { kind: "evaluation", request: {}, requestId: null } as const
  return askPolicy(rooms, gate.operator, asked, async (judge) => {
    const { verdict } = await judge(question)
    return { answer: verdict, data: { verdict } }
  })
}

test("an answer that another version came in before is thrown away and made anew, each of them recorded", async () => {
  await using gate = await openTestGate()
  const rooms = before(gate.rooms, async (commit) => {
    if (commit === 1) await gate.apply({ policies: [{ file: "bot.cedar", text: closed }] })
  })
  assert.equal((await ask(rooms, gate)).answer, "deny")
  const entries = await gate.entries("policy.asked")
  assert.deepEqual(
    entries.map(({ data }) => data!["verdict"]),
    ["allow", "deny"],
  )
})

test("an answer stands when something was taken away from somebody else", async () => {
  await using gate = await openTestGate()
  const { answer } = await ask(
    before(gate.rooms, () => gate.bump()),
    gate,
  )
  assert.equal(answer, "allow")
  assert.equal((await gate.entries("policy.asked")).length, 1)
})

test("an answer that changes as often as it is made is none", async () => {
  await using gate = await openTestGate()
  const rooms = before(gate.rooms, (commit) =>
    gate.apply({ policies: [{ file: "bot.cedar", text: commit % 2 === 1 ? closed : permit }] }),
  )
  await assert.rejects(ask(rooms, gate), (error) => error instanceof Refusal && error.code === "epoch-changed")
})

test("what cannot be recorded is not answered", async () => {
  await using gate = await openTestGate()
  await gate.unplugged(async () => {
    await assert.rejects(
      ask(gate.rooms, gate),
      (error) => error instanceof Refusal && error.code === "store-unavailable",
    )
  })
  assert.deepEqual(await gate.entries("policy.asked"), [])
})

test("a rehearsal says what the gate then decides, in the same words but for whose mandate it is", async () => {
  await using gate = await openTestGate()
  const text = `${permit}\n@id("no-tools") @reason("No tools.") forbid(principal, action == policy::Action::"tool", resource);`
  await gate.apply({ policies: [{ file: "bot.cedar", text }] })
  const { session } = await gate.open()
  const [detail] = document.agents.bot.ceiling
  const { rooms, bot } = gate
  const compare = async (action: Parameters<typeof act>[2]["action"]) => {
    const { decision } = await act(rooms, bot, { session: session.id, action, idempotencyKey: null })
    const rehearsed = rehearse(
      {
        agent: (name) => rooms.agents.agent(name),
        purpose: (name) => rooms.sessions.purpose(name),
        resource: (name) => rooms.credentials.current()[name] ?? null,
        set: rooms.policy.inForce(),
      },
      { agents: [bot.name], purpose: "answer", action },
    )
    assert.equal(rehearsed.decision.verdict, decision.verdict)
    assert.deepEqual(rehearsed.decision.policies, decision.policies)
    return { ...rehearsed, reasons: decision.reasons }
  }
  assert.equal((await compare(readKb)).by, "policy")
  const write = await compare({ ...readKb, operation: "write" })
  assert.deepEqual([write.by, write.decision.reasons], ["policy", write.reasons])
  const tool = await compare({ ...readKb, type: "tool", operation: "ask" })
  assert.deepEqual([tool.by, tool.decision.reasons], ["policy", ["No tools."]])
  const outside = await compare({ ...readKb, type: "sql" })
  assert.deepEqual([outside.by, outside.decision.reasons], ["ceiling", outside.reasons])

  // The ceiling grows; the purpose, and the mandate that was compiled from it, do not.
  const wider = [{ ...detail!, actions: [...detail!.actions, "sql:read"] }]
  await gate.apply({ agents: { bot: { ...document.agents.bot, ceiling: wider } } })
  const mandate = await compare({ ...readKb, type: "sql" })
  assert.equal(mandate.by, "mandate")
  assert.match(mandate.reasons[0]!, /mandate/)

  await gate.apply({
    purposes: { ...document.purposes, other: document.purposes.answer },
    agents: { bot: { ...document.agents.bot, purposes: ["other"] } },
  })
  assert.equal((await compare(readKb)).by, "agent")
})
