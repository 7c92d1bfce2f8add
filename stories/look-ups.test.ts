import assert from "node:assert/strict"
import { test } from "node:test"
import { openGround } from "./fixtures/ground.ts"
import { until } from "./fixtures/until.ts"

test("a server killed while it looks something up leaves nothing that the next one does not find", async () => {
  await using ground = await openGround({ resources: { kb: 18 } })
  const transfer = { type: "safeconduct_action", actions: ["tool:transfer"], locations: ["kb"] }
  const ruled = { ...transfer, arguments: { payee: [{ lookedUp: "landlord" }] } }
  const landlord = { description: "your landlord's account", resource: "kb", operation: "read" }
  const query = "select answer from public.faq where id = 1"
  const { purposes, agents, policies, resources } = ground.document
  await ground.apply({
    resources,
    purposes: { answer: { ...purposes["answer"]!, actions: [ruled], lookups: { landlord: { ...landlord, query } } } },
    agents: { bot: { ...agents["bot"]!, ceiling: [transfer] } },
    policies: [...policies, { file: "transfer.cedar", text: `@id("all") permit (principal, action, resource);` }],
  })
  const agent = await ground.enrolled("bot")
  const session = await agent.open({ purpose: "answer" })
  const pay = (payee: string) =>
    agent.transport.json<{ verdict: string }>({
      method: "POST",
      path: "/v1/actions",
      body: {
        session: session.id,
        action: { type: "tool", resource: "kb", operation: "transfer", arguments: { payee } },
      },
      maxAttempts: 1,
    })
  const accounts = async () =>
    (await ground.owners["kb"]!.query("select from pg_roles where rolname like 'sc\\_%'")).rowCount
  const leases = async () =>
    (
      await ground.ours.query<{ state: string; lookup: string; ending: string | null }>(
        "select state, lookup, ending from credentials.leases where session = $1 and ending is distinct from 'looked-up'",
        [session.id],
      )
    ).rows

  assert.equal((await pay("Nine to five.")).verdict, "allow")
  assert.equal((await pay("Eight to four.")).verdict, "deny")
  await until("what was looked up with to be gone", async () => (await accounts()) === 0)

  const next = ground.standby(ground.first)
  next.catch(() => undefined)
  const owner = await ground.owners["kb"]!.connect()
  try {
    // Whoever looks waits for it.
    await owner.query("begin; lock table public.faq in access exclusive mode")
    pay("Nine to five.").catch(() => undefined)
    await until("it to look", async () => {
      const text =
        "select from pg_stat_activity where application_name = 'safeconduct look-up' and wait_event_type = 'Lock'"
      return (await ground.owners["kb"]!.query(text)).rowCount === 1
    })
    await ground.first.child.kill("SIGKILL")
  } finally {
    await owner.query("rollback")
    owner.release()
  }
  assert.deepEqual(
    [(await leases())[0], await accounts()],
    [{ state: "intended", lookup: "landlord", ending: null }, 1],
  )
  // A minute later.
  await ground.ours.query(
    "update credentials.leases set intended_at = now() - interval '61 seconds' where state = 'intended'",
  )
  await (await next).serve()
  await until("the account to be gone", async () => (await accounts()) === 0)
  const ended = await until("its end in the ledger", async () => {
    const [latest] = await leases()
    return latest!.state === "revoked" && latest
  })
  assert.deepEqual(ended, { state: "revoked", lookup: "landlord", ending: "never-confirmed" })
})
