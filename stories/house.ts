import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { connect, enrol, openTransport, peerOf, type Safeconduct, type Session, type Transport } from "@safeconduct/sdk"
import { applyPrepare, dev, readDocument, removePostgres, silentLog, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"
import { openFolder } from "./fixtures/folder.ts"
import type { Phone } from "./fixtures/phones.ts"
import { runSql } from "./fixtures/resource.ts"
import type { Delegated } from "./world.ts"

/**
 * What all stories share: a server on its own PostgreSQL, a second PostgreSQL 15 as the knowledge base of example 1, and
 * an operator. 15, because there a lease may take its group's role, which is the harder case.
 */
export type House = AsyncDisposable & {
  agentsUrl: string
  /** Public key of the log. */
  logKey: string
  /** As an operator with the role admin. */
  operator: Transport
  /** As the owner of the knowledge base. */
  owner: pg.Client
  /** A new instance of a registered agent, with a key of its own. */
  enrolled(agent: string): Promise<Safeconduct>
  /** Opens a session that a user delegates, consent included; absent where nobody signs in. */
  sessionFor?(delegated: Delegated, agent: Safeconduct, purpose: string): Promise<Session>
  /** Somebody's phone, with a passkey; absent where nobody is asked. */
  phone?(person: string): Promise<Phone>
  /** Texts that nobody but that person may see. */
  privateOf?(person: string): readonly string[]
}

const example = (name: string) => fileURLToPath(new URL(`../examples/1-read-only/${name}`, import.meta.url))
const anyPort = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }

/** Starts it, in a folder of its own that goes with it. */
export async function openHouse(): Promise<House> {
  await using stack = new AsyncDisposableStack()
  const folder = await openFolder()
  stack.defer(async () => {
    // A folder that an unprivileged PostgreSQL cannot reach has its data elsewhere; that goes too.
    await Promise.all(["kb", "server/postgres"].map((name) => removePostgres(join(folder, name))))
    rmSync(folder, { recursive: true, force: true })
  })
  const log = silentLog
  const base = stack.use(await startPostgres({ folder: join(folder, "kb"), version: 15, isThrowaway: true, log }))
  const server = stack.use(await dev({ folder: join(folder, "server"), flags: anyPort, log }))
  const url = server.agentsUrl
  const joinToken = server.operatorJoinToken!
  const operator = stack.use(openTransport(peerOf(await enrol({ url, joinToken, folder: join(folder, "operator") }))))

  const ownerUrl = (database: string) => new URL(`/${database}`, base.superuserUrl).href
  await runSql(ownerUrl("postgres"), "create database kb")
  await runSql(ownerUrl("kb"), readFileSync(example("kb.sql"), "utf8"))
  const groups = [{ role: "kb_read", schemas: ["public"] }]
  const root = await applyPrepare(ownerUrl("kb"), { database: "kb", account: "safeconduct", groups }, log)
  const document = readDocument(example("safeconduct.yaml"))
  ;(document.resources as { kb: { port: number } }).kb.port = base.port
  await operator.json({ method: "PUT", path: "/v1/policy", body: { document } })
  const body = { username: root!.username, password: root!.password.reveal() }
  await operator.json({ method: "PUT", path: "/v1/credentials/resources/kb/root", body, timeoutMs: 30_000 })

  const owner = new pg.Client(ownerUrl("kb"))
  await owner.connect()
  stack.defer(() => owner.end())
  let count = 0
  const owned = stack.move()
  return {
    agentsUrl: url,
    logKey: server.logKey,
    operator,
    owner,
    async enrolled(agent) {
      const { token } = await operator.json<{ token: string }>({
        method: "POST",
        path: `/v1/agents/${agent}/join-tokens`,
      })
      count += 1
      return await connect({
        url,
        joinToken: token,
        folder: join(folder, `${agent}-${count}`),
        onProblem: () => undefined,
      })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
