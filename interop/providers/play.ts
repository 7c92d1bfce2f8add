/**
 * Sign-in, consent, exchange and sign-out with an OpenID provider that nobody here wrote, on this machine: a server of ours with its
 * own PostgreSQL, an agent by the SDK, an application, and somebody at a browser without a screen who knows their password.
 * One line per step; the exit status says whether all passed.
 *
 *     node --conditions=source interop/providers/play.ts keycloak|lemonldap
 */
import { randomBytes } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { connect, enrol, openTransport, peerOf, type Safeconduct, type Session } from "@safeconduct/sdk"
import { createLog, dev, removePostgres } from "@safeconduct/server/programs"
import { openPerson, plain } from "../../examples/2-personalized/person.ts"
import { freePort } from "../../examples/2-personalized/shop.ts"
import { beginSignIn, type Customer, finishSignIn, type ShopProvider } from "../../examples/2-personalized/sign-in.ts"
import type { ForeignProvider } from "./foreign.ts"
import { startKeycloak } from "./keycloak.ts"
import { startLemonldap } from "./lemonldap.ts"
import { buttonsOf, finish, signedIn, step } from "./steps.ts"

const providers = { keycloak: startKeycloak, lemonldap: startLemonldap } as const
const wanted = process.argv[2] as keyof typeof providers
if (!Object.hasOwn(providers, wanted ?? "")) throw new Error(`name one of ${Object.keys(providers).join(", ")}`)

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-provider-"))
chmodSync(folder, 0o711)
stack.defer(async () => {
  await removePostgres(join(folder, "server", "postgres"))
  rmSync(folder, { recursive: true, force: true })
})
const flags = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }
const log = createLog({ level: "error" })
const server = stack.use(await dev({ folder: join(folder, "server"), flags, log }))
const ours = server.webUrl
const applicationCallback = `http://127.0.0.1:${await freePort()}/signed-in`
const agentCallback = `http://127.0.0.1:${await freePort()}/granted`
const provider = stack.use(
  await providers[wanted]({
    folder,
    port: await freePort(),
    callback: `${ours}/sign-in/idp/callback`,
    backChannelLogout: `${ours}/sign-in/idp/logout`,
    afterLogout: `${ours}/me`,
    applicationCallback,
  }),
)
console.log(`# ${provider.version}, node ${process.version}`)

const joinToken = server.operatorJoinToken!
const operator = stack.use(
  openTransport(peerOf(await enrol({ url: server.agentsUrl, joinToken, folder: join(folder, "operator") }))),
)
const call = <T>(method: "GET" | "POST" | "PUT", path: string, body?: object) =>
  operator.json<T>({ method, path, ...(body && { body }), timeoutMs: 30_000 })
await call("PUT", "/v1/policy", { document: documentOf(provider) })
await call("PUT", "/v1/sessions/providers/idp/secret", { secret: provider.secrets.safeconduct })
const agent = stack.use(await enrolled("helper"))
const stranger = stack.use(await enrolled("stranger"))
const application: ShopProvider = {
  issuer: provider.issuer,
  clientId: "shop-web",
  clientSecret: provider.secrets.application,
  redirectUri: applicationCallback,
}

await step("its metadata and keys are found, by its issuer alone", async () => {
  const { providers: listed } = await call<{ providers: { name: string }[] }>("GET", "/v1/sessions/providers")
  const text = JSON.stringify(listed)
  if (!text.includes(provider.issuer) || /unreachable|"error"/.test(text)) throw new Error(text)
})

const alice = openPerson(agentCallback)
let consented: Session | undefined
await step(`${provider.person.name} signs in there with a password, sees our consent page, and allows`, async () => {
  const asked = await agent.ask({ purpose: "help", redirectUri: agentCallback })
  const page = await signedIn(provider, alice, await alice.visit(asked.url))
  if (!page.url.startsWith(`${ours}/consent/`))
    throw new Error(`the page is ${page.url}: ${plain(page.html).slice(0, 300)}`)
  const words = plain(page.html)
  for (const each of ["helper", "Look things up for you"])
    if (!words.includes(each)) throw new Error(`"${each}" is not on it`)
  consented = await asked.redeem((await alice.press(page, "Allow")).url)
})
await step("the session stands for them, known by issuer and subject", async () => {
  const { user } = await call<{ user: { iss: string; sub: string } }>("GET", `/v1/sessions/${consented!.id}`)
  if (user.iss !== provider.issuer || user.sub === "") throw new Error(JSON.stringify(user))
})
await step("what they may do is decided by a claim that the provider gave", async () => {
  const decision = await consented!.act({ type: "tool", resource: "kb", operation: "look-up", arguments: {} })
  if (decision.verdict !== "allow") throw new Error(decision.reasons.join(" "))
})
await step("asked again for the same, the agent gets it without a page", async () => {
  const asked = await agent.ask({ purpose: "help", redirectUri: agentCallback })
  await using session = await asked.redeem((await alice.visit(asked.url)).url)
  if (session.id === consented!.id) throw new Error("it is the same session")
})

const customer = await step("the application signs them in by itself, as another client of the provider", () =>
  signInAt(application),
)
await step("its ID token alone gives nothing: they have not allowed it to that application yet", async () => {
  const subjectToken = customer!.idToken
  const page = await agent.exchange({ purpose: "help", subjectToken }).then(
    () => Promise.reject(new Error("it was given")),
    async (error: { code?: string; detail?: { [name: string]: unknown } }) => {
      if (error.code !== "consent-required") throw error
      return await signedIn(provider, alice, await alice.visit(String(error.detail?.["safeconduct_consent_uri"])))
    },
  )
  if (!plain(page.html).includes("The shop's web site")) throw new Error("the application is not on the page")
  await alice.press(page, "Allow")
})
await step("once they have, it is exchanged for a session (RFC 8693)", async () => {
  await using session = await agent.exchange({ purpose: "help", subjectToken: customer!.idToken })
  const decision = await session.act({ type: "tool", resource: "kb", operation: "look-up", arguments: {} })
  if (decision.verdict !== "allow") throw new Error(decision.reasons.join(" "))
})
await step("an agent that the application does not invoke gets nothing for it", () =>
  refused(() => stranger.exchange({ purpose: "help", subjectToken: customer!.idToken })),
)
await step("an ID token with another signature gets nothing", () =>
  refused(() => agent.exchange({ purpose: "help", subjectToken: `${customer!.idToken.slice(0, -8)}AAAAAAAA` })),
)
await step("a no on the consent page is a no to the agent", async () => {
  const bob = openPerson(agentCallback)
  const asked = await stranger.ask({ purpose: "help", redirectUri: agentCallback })
  const page = await signedIn(provider, bob, await bob.visit(asked.url))
  const back = await bob.press(page, "Deny")
  await refused(() => asked.redeem(back.url), "consent-denied")
})

if (provider.hasBackChannelLogout) {
  await step("signing out there ends the session here, by its logout token", async () => {
    const { end_session_endpoint: end } = (await (
      await fetch(`${provider.issuer}/.well-known/openid-configuration`)
    ).json()) as { end_session_endpoint: string }
    const page = await alice.visit(end)
    if (page.html.includes("<form")) await alice.press(page, buttonsOf(page)[0]!)
    await ended(consented!, "logged-out")
  })
} else {
  await step("signing out on our page leads to the provider's end of session", async () => {
    const page = await alice.visit(`${ours}/me`)
    await alice.press(page, "End helper: Look things up for you")
    await ended(consented!, "withdrawn")
    const mine = await alice.visit(`${ours}/me`)
    const after = await alice.press(mine, "Sign out")
    if (!after.url.startsWith(provider.issuer) && !after.url.startsWith(ours))
      throw new Error(`it leads to ${after.url}`)
  })
}
await step("the record names the user by an id, in every entry, and no name of theirs", async () => {
  const { entries } = await call<{ entries: { text: string; leaf: { user?: string; event: string } }[] }>(
    "GET",
    `/v1/audit/entries?session=${consented!.id}&limit=100`,
  )
  if (entries.length === 0) throw new Error("there is no entry")
  for (const { leaf, text } of entries) {
    if (leaf.user?.startsWith("user_") !== true) throw new Error(`${leaf.event} names no user`)
    if (text.includes(provider.person.name)) throw new Error(`${leaf.event} holds a name`)
  }
})
finish()

async function enrolled(name: string): Promise<Safeconduct> {
  const { token } = await call<{ token: string }>("POST", `/v1/agents/${name}/join-tokens`)
  const identity = join(folder, `${name}-${randomBytes(4).toString("hex")}`)
  return await connect({ url: server.agentsUrl, joinToken: token, folder: identity, onProblem: () => undefined })
}

/** The application's own sign-in, at a browser of its own. */
async function signInAt(client: ShopProvider): Promise<Customer> {
  const browser = openPerson(client.redirectUri)
  const waiting = await beginSignIn(client)
  const back = await signedIn(provider, browser, await browser.visit(waiting.url))
  return await finishSignIn(client, waiting, new URL(back.url).searchParams)
}

async function refused(work: () => Promise<unknown>, code?: string): Promise<void> {
  let given: unknown
  try {
    given = await work()
  } catch (error) {
    const found = (error as { code?: string }).code
    if (found !== undefined && (code === undefined || found === code)) return
    throw error
  }
  throw new Error(`it was given: ${JSON.stringify(given)}`)
}

async function ended({ id }: Session, reason: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await delay(50)) {
    const session = await call<{ state: string; endReason: string }>("GET", `/v1/sessions/${id}`)
    if (session.state === "ended" && session.endReason === reason) return
    if (session.state === "ended") throw new Error(`it ended as ${session.endReason}`)
  }
  throw new Error("the session is still open")
}

function documentOf({ issuer, profile, clientAuthentication, claims }: ForeignProvider) {
  const uses = { type: "safeconduct_action", actions: ["tool:look-up"], locations: ["kb"] }
  const agentOf = () => ({
    owner: "olga@example.org",
    description: "Looks things up",
    purposes: ["help"],
    ceiling: [uses],
    redirectUris: [agentCallback],
  })
  const kb = {
    engine: "postgres",
    host: "127.0.0.1",
    port: 1,
    database: "kb",
    tls: "disable",
    operations: { read: { groupRole: "kb" } },
  }
  return {
    providers: {
      idp: {
        issuer,
        profile,
        network: "loopback",
        clientId: "safeconduct",
        clientAuthentication,
        scopes: ["openid", "profile"],
        claims,
      },
    },
    applications: {
      "shop-web": { description: "The shop's web site", agents: ["helper"], providers: { idp: ["shop-web"] } },
    },
    purposes: { help: { description: "Look things up for you", actions: [uses], consent: "required" } },
    resources: { kb },
    agents: { helper: agentOf(), stranger: agentOf() },
    policies: [
      {
        file: "help.cedar",
        text: `@id("agents-look-up") permit (principal is agents::Agent, action == policy::Action::"tool", resource);
@id("customers-look-up") permit (principal is sessions::User, action == policy::Action::"tool", resource)
  when { principal.hasTag("customer") };`,
      },
    ],
  }
}
