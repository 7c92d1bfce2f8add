import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { type AgentPrincipal, newSigningRequest } from "#agents"
import { act, apply, openSession, parseDocument } from "#gate"
import { generateKey, silentLog } from "#kernel"
import type { Delegation } from "#sessions"
import { type Dev, dev } from "../dev.ts"
import { removePostgres } from "../index.ts"
import { allRoutes, serve } from "../serve.ts"
import { chainOf } from "./chain.fixture.ts"

const detail = { type: "safeconduct_action", actions: ["tool:raise"], locations: ["hr"] }
const issuer = "http://127.0.0.1:7430"
const document = {
  providers: { shop: { issuer, network: "loopback", clientId: "safeconduct" } },
  purposes: { hr: { description: "Do HR work", actions: [detail] } },
  resources: { hr: { engine: "tools", operations: { raise: { elevated: "money" } } } },
  agents: { bot: { owner: "owner@example.org", purposes: ["hr"], ceiling: [detail] } },
  policies: [
    {
      file: "hr.cedar",
      text: `@id("all") permit (principal, action, resource);
        @id("sign") @ask("user") forbid (principal, action, resource) unless { context.approved };`,
    },
  ],
}

let folder: string
let running: Dev
let bot: AgentPrincipal
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "safeconduct-studio-"))
  const anyPort = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }
  running = await dev({ folder, flags: anyPort, log: silentLog })
  const { rooms } = running
  await apply(rooms, "server", parseDocument(document))
  const { token } = await rooms.agents.createJoinToken({ kind: "agent", name: "bot" }, "server")
  const { privateKey } = generateKey()
  const { svid } = await rooms.agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
  bot = (await rooms.agents.identify(chainOf(svid))) as AgentPrincipal
})
after(async () => {
  await running?.stop()
  await removePostgres(join(folder, "postgres"))
  rmSync(folder, { recursive: true, force: true })
})

/** An action of Alice's that waits for her. */
async function held(): Promise<{ session: string; approval: string }> {
  const { rooms } = running
  const seen = { provider: "shop", iss: issuer, sub: "alice", claims: {} }
  const { result: user } = await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))
  const by = { kind: "provider", claim: "may_act", tokenDigest: "t" }
  const granted = { application: null, details: [detail], requestText: null, parameters: {}, providerSession: null }
  const delegation = { user, by, ...granted } as unknown as Delegation
  const { session } = await openSession(rooms, bot, { purpose: "hr", delegation })
  const permit = await act(rooms, bot, { session: session.id, action: raise, idempotencyKey: null })
  return { session: session.id, approval: permit.held!.id }
}
const raise = {
  type: "tool",
  resource: "hr",
  operation: "raise",
  arguments: { employee: "E-7", amount: 5200 },
} as const
const get = (url: string) => fetch(url, { redirect: "manual" })

test("a program plays a person who approves, with a passkey over what the card shows", async () => {
  const { rooms, opsUrl } = running
  const { session, approval } = await held()
  const answer = await get(`${opsUrl}/dev/approver?approval=${approval}&action=approve&person=alice`)
  assert.deepEqual(await answer.json(), { approval, state: "approved" })
  const request = { session, action: raise, idempotencyKey: "k", approval }
  assert.equal((await act(rooms, bot, request)).decision.verdict, "allow")
})

test("the conformance suite posts, and says allow", async () => {
  const { opsUrl } = running
  const { approval } = await held()
  const answer = await fetch(`${opsUrl}/dev/approver?approval=${approval}&action=allow`, { method: "POST" })
  assert.deepEqual([answer.status, await answer.json()], [200, { approval, state: "approved" }])
})

test("it denies too, and decides nothing for somebody who has no say, nor by another word", async () => {
  const { opsUrl } = running
  const { approval } = await held()
  const of = (query: string) => get(`${opsUrl}/dev/approver?approval=${approval}&${query}`)
  assert.equal((await of("action=approve&person=bob")).status, 400)
  assert.equal((await of("action=perhaps")).status, 400)
  assert.deepEqual(await (await of("action=deny")).json(), { approval, state: "denied" })
  assert.equal((await of("action=approve")).status, 400)
})

test("the page shows what happened, and gives a phone to nobody who comes from another site", async () => {
  const { webUrl, opsUrl, rooms } = running
  const page = await get(`${webUrl}/dev`)
  assert.match(page.headers.get("content-security-policy")!, /frame-ancestors 'none'/)
  const live = (await (await get(`${webUrl}/dev/live`)).json()) as { lines: { became: string }[] }
  const became = live.lines.map((line) => line.became)
  assert.ok(became.includes("approved") && became.includes("waits for a person"), became.join())
  const take = (origin: string) =>
    fetch(`${webUrl}/dev/phone`, {
      ...{ method: "POST", redirect: "manual", headers: { origin } },
      body: new URLSearchParams({ person: "alice" }),
    })
  assert.equal((await take("https://evil.example")).status, 400)
  const taken = await take(new URL(rooms.sessions.issuer).origin)
  assert.deepEqual([taken.status, taken.headers.get("location")], [303, "/approvals"])
  assert.equal((await get(`${opsUrl}/dev`)).status, 404)
})

test("without this program there is neither", async () => {
  const { configuration } = running
  await using second = await serve({
    configuration: {
      ...configuration,
      agentsAddress: "127.0.0.1:0",
      webAddress: "127.0.0.1:0",
      opsAddress: "127.0.0.1:0",
    },
    log: silentLog,
  })
  assert.equal((await get(`${second.webUrl}/dev`)).status, 404)
  assert.equal((await get(`${second.opsUrl}/dev/approver?approval=x&action=approve`)).status, 404)
  assert.ok(!allRoutes(second.rooms, {} as never).some(({ path }) => path.startsWith("/dev")))
})
