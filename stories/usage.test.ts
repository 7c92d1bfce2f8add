import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { openTransport, peerOf, type Safeconduct, type Transport } from "@safeconduct/sdk"
import { type Ground, openGround } from "./fixtures/ground.ts"
import type { Server } from "./fixtures/servers.ts"

type Answer = { verdict: "allow" | "deny" | "ask"; reasons: string[]; entry: string }

const LIMIT = 7

/** A tool that may be used seven times, and one whose answers are not to be trusted; then nothing is sent any more. */
function withLimits(document: Ground["document"]): Ground["document"] {
  const detail = { type: "safeconduct_action", locations: ["kb"] }
  const actions = [
    { ...detail, actions: ["tool:note"], limits: [{ uses: LIMIT }, { sum: "amount", atMost: 0.5 }] },
    { ...detail, actions: ["tool:browse"], labels: ["untrusted"] },
    { ...detail, actions: ["tool:send"] },
  ]
  const ceiling = [{ ...detail, actions: ["tool:note", "tool:browse", "tool:send"] }]
  const text = `@id("tools") permit (principal, action == policy::Action::"tool", resource);
    @id("no-leak") forbid (principal, action, resource)
    when { context.operation == "send" && context.labels.contains("untrusted") };`
  return {
    ...document,
    purposes: { answer: { ...document.purposes["answer"], actions } },
    agents: { bot: { ...document.agents["bot"]!, ceiling } },
    policies: [...document.policies, { file: "tools.cedar", text }],
  }
}

describe("what a session used and saw", { timeout: 180_000 }, () => {
  let ground: Ground
  let servers: readonly Server[]
  let bot: Safeconduct
  before(async () => {
    ground = await openGround({ agents: ["bot"] })
    await ground.apply(withLimits(ground.document))
    servers = [ground.first, await (await ground.standby()).serve()]
    bot = await ground.enrolled("bot")
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const at = ({ agentsUrl: url }: Server) => openTransport({ ...peerOf(bot.identity), url })
  const act = (transport: Transport, session: string, operation: string, given: object = {}) =>
    transport.json<Answer>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action: { type: "tool", resource: "kb", operation, arguments: given } },
      maxAttempts: 1,
    })

  test("of forty actions at once at two processes, as many are allowed as the limit says, and each has its entry", async () => {
    const session = await bot.open({ purpose: "answer" })
    const both = servers.map(at)
    const asked = Array.from({ length: 40 }, (_, nth) => act(both[nth % 2]!, session.id, "note", { amount: 0.05 }))
    const verdicts = (await Promise.all(asked)).map(({ verdict }) => verdict)
    assert.equal(verdicts.filter((verdict) => verdict === "allow").length, LIMIT)
    assert.equal(verdicts.filter((verdict) => verdict === "deny").length, 40 - LIMIT)
    assert.equal((await ground.entries({ session: session.id, event: "gate.action-begun" })).length, LIMIT)
    const other = await bot.open({ purpose: "answer" })
    const sums = Array.from({ length: 10 }, (_, nth) => act(both[nth % 2]!, other.id, "note", { amount: 0.1 }))
    assert.equal((await Promise.all(sums)).filter(({ verdict }) => verdict === "allow").length, 5)
    for (const each of both) each[Symbol.dispose]()
    await Promise.all([session.end(), other.end()])
  })

  test("what a server that is killed allowed is counted, and what was seen through it is known", async () => {
    const session = await bot.open({ purpose: "answer" })
    using left = at(servers[1]!)
    assert.equal((await act(left, session.id, "send")).verdict, "allow")
    const victim = await (await ground.standby()).serve()
    using doomed = at(victim)
    for (let nth = 0; nth < LIMIT - 1; nth++) await act(doomed, session.id, "note", { amount: 0 })
    assert.equal((await act(doomed, session.id, "browse")).verdict, "allow")
    await victim.child.kill("SIGKILL")
    const after = await act(left, session.id, "send")
    assert.equal(after.verdict, "deny")
    const next = await (await ground.standby()).serve()
    using transport = at(next)
    assert.equal((await act(transport, session.id, "send")).verdict, "deny")
    assert.equal((await act(transport, session.id, "note", { amount: 0 })).verdict, "allow")
    const { verdict, reasons } = await act(left, session.id, "note", { amount: 0 })
    assert.equal(verdict, "deny")
    assert.match(reasons.join(), /its limit is reached/)
    const path = `/v1/sessions/${session.id}/explanation`
    const explained = await ground.operator.json<{ labels: { label: string }[]; used: object[] }>({
      method: "GET",
      path,
    })
    assert.deepEqual(
      explained.labels.map(({ label }) => label),
      ["untrusted"],
    )
    assert.deepEqual(explained.used, [{ measure: "uses", spent: LIMIT }])
    await session.end()
    await next.child.kill("SIGTERM")
  })
})
