/** The whole example, running: what the demo narrates, and what the tests stand on. */
import { randomBytes } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { startProvider } from "@safeconduct/provider/program"
import { connect, enrol, openTransport, peerOf, type Safeconduct, type Session, type Transport } from "@safeconduct/sdk"
import { dev, type Log, removePostgres, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"
import { openPerson, type Person } from "../2-personalized/person.ts"
import { freePort } from "../2-personalized/shop.ts"
import { clientsOf, documentOf, people, prepareHr } from "./hr.ts"

/** The HR department, its agent and Safeconduct. */
export type Hr = AsyncDisposable & {
  agentsUrl: string
  webUrl: string
  /** Public key of the log. */
  logKey: string
  /** As an operator with the role admin. */
  operator: Transport
  /** As the owner of the HR database. */
  owner: pg.Client
  issuer: string
  agent: Safeconduct
  /** Somebody signs in at the provider, delegates to the agent, and closes the browser. */
  sessionFor(person: Person, name: string): Promise<Session>
  /** A browser of somebody's, which does not follow to where the agent takes what they granted. */
  browser(): Person
}

/** Tells of a step, and how long it took. */
export type Step = <T>(what: string, work: () => Promise<T>) => Promise<T>

/** How it is started. */
export type HrOptions = { folder: string; log: Log; version?: 15 | 18; step?: Step }

const anyPort = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }

/** Starts it, in a folder that is removed with it. */
export async function openHr({ folder, log, version = 18, step = (_, work) => work() }: HrOptions): Promise<Hr> {
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    // A folder that an unprivileged PostgreSQL cannot reach has its data elsewhere; that goes too.
    await Promise.all(["server/postgres", "hr"].map((name) => removePostgres(join(folder, name))))
    rmSync(folder, { recursive: true, force: true })
  })
  const base = stack.use(
    await step("the HR database started, a second PostgreSQL", () =>
      startPostgres({ folder: join(folder, "hr"), version, isThrowaway: true, log }),
    ),
  )
  const server = stack.use(
    await step("server started on its own PostgreSQL", () =>
      dev({ folder: join(folder, "server"), flags: anyPort, log }),
    ),
  )
  const provider = stack.use(
    await step("the company's OpenID provider started: Alice signs in there", () =>
      startProvider({ clients: clientsOf(server.webUrl), people }),
    ),
  )
  const callback = `http://127.0.0.1:${await freePort()}/callback`
  const [url, joinToken] = [server.agentsUrl, server.operatorJoinToken!]
  const operator = stack.use(
    await step("operator enrolled with the first join token", async () =>
      openTransport(peerOf(await enrol({ url, joinToken, folder: join(folder, "operator") }))),
    ),
  )
  const database = await step("database prepared: salaries and employment change by approval alone", async () => {
    const prepared = await prepareHr(base, log)
    const document = documentOf({ database: base.port, issuer: provider.issuer, callback })
    await operator.json({ method: "PUT", path: "/v1/policy", body: { document } })
    const body = prepared.root
    await operator.json({ method: "PUT", path: "/v1/credentials/resources/hr/root", body, timeoutMs: 30_000 })
    return prepared
  })
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  stack.defer(() => owner.end())
  const agent = await step("the HR agent enrolled", async () => {
    const path = "/v1/agents/hr-agent/join-tokens"
    const { token } = await operator.json<{ token: string }>({ method: "POST", path })
    const identity = join(folder, `hr-agent-${randomBytes(4).toString("hex")}`)
    return await connect({ url, joinToken: token, folder: identity, onProblem: () => undefined })
  })
  stack.use(agent)
  const owned = stack.move()
  return {
    agentsUrl: url,
    webUrl: server.webUrl,
    logKey: server.logKey,
    operator,
    owner,
    issuer: provider.issuer,
    agent,
    browser: () => openPerson(callback),
    async sessionFor(person, name) {
      const asked = await agent.ask({ purpose: "hr-work", redirectUri: callback })
      let page = await person.visit(asked.url)
      if (page.url.startsWith(provider.issuer)) page = await person.press(page, `person=${name}`)
      if (page.url.startsWith(server.webUrl)) page = await person.press(page, "Allow")
      return await asked.redeem(page.url)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
