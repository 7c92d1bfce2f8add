/** The whole example, running: what the demo narrates, and what the tests stand on. */
import { randomBytes } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { startProvider } from "@safeconduct/provider/program"
import {
  connect,
  enrol,
  openTransport,
  peerOf,
  type Safeconduct,
  signStatement,
  type Transport,
} from "@safeconduct/sdk"
import { dev, type Log, removePostgres, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"
import { openSupportBot } from "./bot.ts"
import { type Customers, openCustomers } from "./customers.ts"
import { openShippingBot } from "./shipping-bot.ts"
import { callbackOf, clientsOf, documentOf, freePort, newApplicationKey, prepareShop } from "./shop.ts"
import { openWebSite } from "./web.ts"

/** The shop, its bots and Safeconduct. */
export type Shop = AsyncDisposable &
  Customers & {
    agentsUrl: string
    webUrl: string
    /** Public key of the log. */
    logKey: string
    /** As an operator with the role admin. */
    operator: Transport
    /** As the owner of the shop's database. */
    owner: pg.Client
    /** Where its customers sign in. */
    issuer: string
    /** The web site. */
    siteUrl: string
    /** The two agents that the web site talks to, in sessions of their own. */
    agents: { support: Safeconduct; shipping: Safeconduct }
    /** A statement that the web site signs. */
    state(request: string, order: string, customer?: string): string
    /** A new instance of a registered agent, with a key of its own. */
    enrolled(agent: string): Promise<Safeconduct>
  }

/** Tells of a step, and how long it took. */
export type Step = <T>(what: string, work: () => Promise<T>) => Promise<T>

/** How it is started. */
export type ShopOptions = { folder: string; log: Log; version?: 15 | 18; step?: Step }

const anyPort = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }

/** Starts it, in a folder that is removed with it. */
export async function openShop({ folder, log, version = 18, step = (_, work) => work() }: ShopOptions): Promise<Shop> {
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    // A folder that an unprivileged PostgreSQL cannot reach has its data elsewhere; that goes too.
    await Promise.all(["server/postgres", "shop"].map((name) => removePostgres(join(folder, name))))
    rmSync(folder, { recursive: true, force: true })
  })
  const base = stack.use(
    await step("the shop's database started, a second PostgreSQL", () =>
      startPostgres({ folder: join(folder, "shop"), version, isThrowaway: true, log }),
    ),
  )
  const server = stack.use(
    await step("server started on its own PostgreSQL", () =>
      dev({ folder: join(folder, "server"), flags: anyPort, log }),
    ),
  )
  const [port, secret] = [await freePort(), randomBytes(24).toString("base64url")]
  const provider = stack.use(
    await step("the shop's OpenID provider started: Alice and Bob sign in there", () =>
      startProvider({ clients: clientsOf(server.webUrl, { port, secret }) }),
    ),
  )
  const [url, joinToken] = [server.agentsUrl, server.operatorJoinToken!]
  const operator = stack.use(
    await step("operator enrolled with the first join token", async () =>
      openTransport(peerOf(await enrol({ url, joinToken, folder: join(folder, "operator") }))),
    ),
  )
  const key = newApplicationKey()
  const database = await step("database prepared: row-level rules go by whose lease it is", async () => {
    const prepared = await prepareShop(base, log)
    const document = documentOf({ database: base.port, issuer: provider.issuer, site: port, key })
    await operator.json({ method: "PUT", path: "/v1/policy", body: { document } })
    const body = prepared.root
    await operator.json({ method: "PUT", path: "/v1/credentials/resources/shop/root", body, timeoutMs: 30_000 })
    return prepared
  })
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  stack.defer(() => owner.end())

  const enrolled: Shop["enrolled"] = async (agent) => {
    const path = `/v1/agents/${agent}/join-tokens`
    const { token } = await operator.json<{ token: string }>({ method: "POST", path })
    const identity = join(folder, `${agent}-${randomBytes(4).toString("hex")}`)
    return await connect({ url, joinToken: token, folder: identity, onProblem: () => undefined })
  }
  const state: Shop["state"] = (request, order, customer) =>
    signStatement(key, {
      issuer: server.webUrl,
      application: "shop-web",
      agent: "support-bot",
      purpose: "order-help",
      // Beside anybody else's token it is worth nothing.
      ...(customer !== undefined && { user: { iss: provider.issuer, sub: customer } }),
      request,
      parameters: { order },
    })
  const [support, shipping] = await step("both bots enrolled", () =>
    Promise.all([enrolled("support-bot"), enrolled("shipping-bot")]),
  )
  stack.use(support)
  stack.use(shipping)
  const track = openShippingBot(shipping)
  const site = `http://127.0.0.1:${port}`
  const signIn = {
    ...{ issuer: provider.issuer, redirectUri: `${site}/signed-in` },
    ...{ clientId: "shop-web", clientSecret: secret },
  }
  const bot = openSupportBot(support, callbackOf(port), track)
  stack.use(await openWebSite({ port, provider: signIn, database: database.webUrl, bot, state }))
  const places = { provider: signIn, issuer: server.webUrl, site, callback: callbackOf(port), state }
  const owned = stack.move()
  return {
    agentsUrl: url,
    webUrl: server.webUrl,
    logKey: server.logKey,
    operator,
    owner,
    issuer: provider.issuer,
    siteUrl: site,
    agents: { support, shipping },
    state,
    enrolled,
    ...openCustomers(places),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
