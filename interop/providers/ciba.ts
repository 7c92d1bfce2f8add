/**
 * An HR action that is approved by Keycloak's CIBA, with us as the back end through which Keycloak asks its user: a server of ours
 * with its own PostgreSQL, an agent by the SDK, and Alice at a browser without a screen. One line per step; the exit status
 * says whether all passed.
 *
 *     node --conditions=source interop/providers/ciba.ts
 */
import { randomBytes } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, enrol, openTransport, type Pending, peerOf, type Session } from "@safeconduct/sdk"
import { createLog, dev, removePostgres, verifyApproval } from "@safeconduct/server/programs"
import { openPerson, plain } from "../../examples/2-personalized/person.ts"
import { freePort } from "../../examples/2-personalized/shop.ts"
import type { ForeignProvider } from "./foreign.ts"
import { startKeycloak } from "./keycloak.ts"
import { finish, signedIn, step, until } from "./steps.ts"

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-ciba-"))
chmodSync(folder, 0o711)
stack.defer(async () => {
  await removePostgres(join(folder, "server", "postgres"))
  rmSync(folder, { recursive: true, force: true })
})
const flags = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }
const server = stack.use(await dev({ folder: join(folder, "server"), flags, log: createLog({ level: "error" }) }))
const ours = server.webUrl
const agentCallback = `http://127.0.0.1:${await freePort()}/granted`
const keycloak = stack.use(
  await startKeycloak({
    folder,
    port: await freePort(),
    callback: `${ours}/sign-in/idp/callback`,
    backChannelLogout: `${ours}/sign-in/idp/logout`,
    afterLogout: `${ours}/me`,
    applicationCallback: `${agentCallback}/unused`,
    channel: `${ours}/sign-in/idp/ciba-channel`,
  }),
)
console.log(`# ${keycloak.version}, node ${process.version}`)

const joinToken = server.operatorJoinToken!
const operator = stack.use(
  openTransport(peerOf(await enrol({ url: server.agentsUrl, joinToken, folder: join(folder, "operator") }))),
)
const call = <T>(method: "GET" | "POST" | "PUT", path: string, body?: object) =>
  operator.json<T>({ method, path, ...(body && { body }), timeoutMs: 30_000 })
type Leaf = { event: string; data?: { [name: string]: string } }
const leaves = async (event: string): Promise<Leaf[]> => {
  const { entries } = await call<{ entries: { leaf: Leaf }[] }>("GET", "/v1/audit/entries?limit=200")
  return entries.map(({ leaf }) => leaf).filter((leaf) => leaf.event === event)
}
await call("PUT", "/v1/policy", { document: documentOf(keycloak) })
await call("PUT", "/v1/sessions/providers/idp/secret", { secret: keycloak.secrets.safeconduct })
const { token } = await call<{ token: string }>("POST", "/v1/agents/hr-bot/join-tokens")
const identity = join(folder, `hr-bot-${randomBytes(4).toString("hex")}`)
const agent = stack.use(
  await connect({ url: server.agentsUrl, joinToken: token, folder: identity, onProblem: () => undefined }),
)
const alice = openPerson(agentCallback)
const offboard = (employee: string) =>
  ({ type: "tool", resource: "hr", operation: "offboard", arguments: { employee } }) as const

const session = await step("alice signs in at Keycloak, and allows the HR agent to act for her", async () => {
  const asked = await agent.ask({ purpose: "hr", redirectUri: agentCallback })
  const page = await signedIn(keycloak, alice, await alice.visit(asked.url))
  return await asked.redeem((await alice.press(page, "Allow")).url)
})
if (session === undefined) throw new Error("there is no session to go on with")

const first = await step("offboarding somebody waits, and Keycloak is asked to ask her", async () => {
  const pending = await held(session, "E-7")
  const code = await until(async () => {
    const found = (await leaves("approvals.provider-asked")).find(({ data }) => data!["approval"] === pending.id)
    return found?.data?.["code"]
  })
  return { pending, code }
})
await step("her card has the code that Keycloak was given, and nothing is decided by looking at it", async () => {
  const page = await alice.visit(`${ours}/approvals/${first!.pending.id}`)
  const words = plain(page.html)
  for (const each of [first!.code, "E-7", "hr-bot"])
    if (!words.includes(each)) throw new Error(`"${each}" is not on it`)
  if ((await first!.pending.state()) !== "requested") throw new Error("it is decided")
})
await step("she approves it there; Keycloak hears so from us, and its signed word approves the action", async () => {
  const page = await until(async () => {
    // Keycloak has us ask her a moment after it was asked itself.
    const shown = await alice.visit(`${ours}/approvals/${first!.pending.id}`)
    if (!plain(shown.html).includes("Approve once")) return null
    const after = await alice.press(shown, "Approve once")
    return after.status < 400 ? after : null
  })
  if (page.status !== 200) throw new Error(`the page answers ${page.status}`)
  await until(async () => (await first!.pending.state()) === "approved", 40_000)
  const [approved] = await leaves("approvals.approved")
  if (approved?.data?.["way"] !== "provider") throw new Error(JSON.stringify(approved))
})
await step("the agent does it, once", async () => {
  if ((await first!.pending.state()) !== "approved") throw new Error("it is not approved")
  const done = await session.resume(first!.pending.handle)
  if (done.verdict !== "allow") throw new Error(done.reasons.join(" "))
  const twice = await askAgain(session, first!.pending)
  if (twice.verdict !== "deny") throw new Error(`a second time: ${twice.verdict}`)
})
await step("what is recorded proves it offline, by Keycloak's own signature", async () => {
  const path = `/v1/approvals/${encodeURIComponent(first!.pending.id)}/evidence`
  const { bytes } = await operator.send({ method: "GET", path })
  const { vkey } = await call<{ vkey: string }>("GET", "/v1/audit/key")
  const found = await verifyApproval(Buffer.from(bytes).toString("utf8"), [vkey])
  const [by] = found.agreed
  if (by?.way !== "provider" || by.identity?.iss !== keycloak.issuer) throw new Error(JSON.stringify(by))
})
await step("what she denies does not happen, and Keycloak hears that too", async () => {
  const second = await held(session, "E-8")
  await until(async () =>
    (await leaves("approvals.provider-asked")).some(({ data }) => data!["approval"] === second.id),
  )
  await alice.press(await alice.visit(`${ours}/approvals/${second.id}`), "decision=deny")
  if ((await second.state()) !== "denied") throw new Error("it is not denied")
  const after = await askAgain(session, second)
  if (after.verdict !== "deny") throw new Error(after.verdict)
})
await step("somebody else's request at Keycloak, with a code that is not ours, asks nobody", async () => {
  const answer = await fetch(`${keycloak.issuer}/protocol/openid-connect/ext/ciba/auth`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: "safeconduct",
      client_secret: keycloak.secrets.safeconduct,
      scope: "openid",
      login_hint: keycloak.person.name,
      binding_message: "AAA-AAA",
    }),
  })
  // Keycloak: the channel did not answer 201.
  if (answer.status !== 503) throw new Error(`Keycloak answers ${answer.status}`)
})
await step("a stranger who claims to be Keycloak's channel is refused", async () => {
  const answer = await fetch(`${ours}/sign-in/idp/ciba-channel`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer eyJhbGciOiJub25lIn0.e30." },
    body: JSON.stringify({ binding_message: first!.code, login_hint: keycloak.person.name }),
  })
  if (answer.status !== 401) throw new Error(`it answers ${answer.status}`)
})
finish()

/** Asks for it, and has it wait. */
async function held(of: Session, employee: string): Promise<Pending> {
  const { pending, verdict } = await of.act(offboard(employee))
  if (pending === null) throw new Error(`it does not wait for anybody: ${verdict}`)
  return pending
}

/** The same again, as another request. */
async function askAgain(of: Session, { handle }: Pending) {
  return await of.resume({ ...handle, idempotencyKey: randomBytes(12).toString("hex") })
}

function documentOf({ issuer, profile, clientAuthentication }: ForeignProvider) {
  const uses = { type: "safeconduct_action", actions: ["tool:offboard"], locations: ["hr"] }
  return {
    providers: {
      idp: {
        issuer,
        profile,
        network: "loopback",
        clientId: "safeconduct",
        clientAuthentication,
        scopes: ["openid", "profile"],
        claims: { login: "preferred_username" },
        ciba: { hintClaim: "login", channel: { proof: "session" } },
      },
    },
    purposes: { hr: { description: "Do HR work for you", actions: [uses], consent: "required" } },
    resources: {
      hr: {
        engine: "tools",
        description: "The HR department's tools",
        operations: {
          offboard: {
            elevated: "people",
            irreversible: true,
            description: "end an employment",
            card: { en: "Offboard {employee}" },
          },
        },
      },
    },
    agents: {
      "hr-bot": {
        owner: "olga@example.org",
        description: "Does HR work",
        purposes: ["hr"],
        ceiling: [uses],
        redirectUris: [agentCallback],
      },
    },
    // Only the provider's own word counts here, so that it is Keycloak which the approval hangs on.
    approvals: { proofs: { sign: ["provider"] } },
    policies: [
      {
        file: "hr.cedar",
        text: `@id("all") permit (principal, action, resource);
@id("offboarding-is-signed") @ask("user") @reason("Somebody loses their access.")
forbid (principal, action, resource) when { context.operation == "offboard" } unless { context.approved };`,
      },
    ],
  }
}
