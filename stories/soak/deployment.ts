import { appendFileSync, chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { connect, openTransport, peerOf, type Safeconduct } from "@safeconduct/sdk"
import {
  applyPrepare,
  type EmbeddedPostgres,
  removePostgres,
  silentLog,
  startPostgres,
} from "@safeconduct/server/programs"
import pg from "pg"
import { prepareServers } from "../fixtures/ground.ts"
import { openServers, type Server } from "../fixtures/servers.ts"
import { openBalancer } from "./balancer.ts"
import { documentOf } from "./document.ts"

/** A server that is started again whenever it is gone, at the addresses that it had. */
export type Kept = {
  readonly agentsUrl: string
  readonly webUrl: string
  readonly opsUrl: string
  /** Kills it, and resolves when another serves in its place. */
  kill(): Promise<void>
  pause(ms: number): Promise<void>
}

/** Real parts: a PostgreSQL of ours, two to protect, two servers, an operator. Everything syncs to disk as in production. */
export type Deployment = AsyncDisposable & {
  folder: string
  servers: readonly [Kept, Kept]
  /** The public URL of both: their issuer, behind which each connection meets one of them. */
  webUrl: string
  own: EmbeddedPostgres
  resources: { [name: string]: EmbeddedPostgres }
  ownerUrls: { [name: string]: string }
  vkey: string
  operator: Safeconduct
  /** As the operator, at one of the servers. */
  ask<T>(at: Kept, method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: object): Promise<T>
  joinToken(path: string, body?: object): Promise<string>
  /** Resolves when both servers say that they are ready. */
  ready(withinMs: number): Promise<boolean>
  /** Servers that ended although nobody killed them, with what they last wrote. */
  readonly deaths: readonly string[]
}

/** PostgreSQL's version of each resource. */
const RESOURCES = { old: 15, new: 18 } as const

/** Prepares and starts all of it in a folder of its own, which goes with it. What servers complained of is kept in a file. */
export async function deploy(errorsTo: string): Promise<Deployment> {
  await using stack = new AsyncDisposableStack()
  const names = Object.keys(RESOURCES) as (keyof typeof RESOURCES)[]
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-soak-"))
  // PostgreSQL may run as another user, who passes through; what is secret lies in folders of mode 0700 below.
  chmodSync(folder, 0o711)
  stack.defer(async () => {
    await Promise.all(["own", ...names].map((name) => removePostgres(join(folder, name))))
    rmSync(folder, { recursive: true, force: true })
  })
  const cluster = async (name: string, version: 15 | 18) =>
    stack.use(await startPostgres({ folder: join(folder, name), version, log: silentLog }))
  const own = await cluster("own", 18)
  const bases = await Promise.all(names.map((name) => cluster(name, RESOURCES[name])))
  const prepared = await Promise.all(names.map((name, nth) => prepareResource(bases[nth]!, name)))

  const balancer = stack.use(await openBalancer())
  const { environment, migrated } = await prepareServers(folder, own, balancer.url)
  await migrated
  const running = openServers(environment)
  stack.use(running)
  const closing = new AbortController()
  const deaths: string[] = []
  const standby = async (like?: Server) => await (await running.standby(like)).serve()
  const first = await standby()
  const keeping = { standby, deaths, closing: closing.signal, errorsTo }
  const servers = [keep(first, keeping), keep(await standby(), keeping)] as const
  balancer.to(servers.map(({ webUrl }) => webUrl))
  stack.defer(() => closing.abort())

  const at = { url: first.agentsUrl, joinToken: first.operatorJoinToken!, folder: join(folder, "operator") }
  const operator = stack.use(await connect({ ...at, onProblem: () => undefined }))
  const ask: Deployment["ask"] = async (server, method, path, body) => {
    using transport = openTransport({ ...peerOf(operator.identity), url: server.agentsUrl })
    return await transport.json({ method, path, ...(body && { body }), timeoutMs: 30_000, maxAttempts: 2 })
  }
  const ports = Object.fromEntries(names.map((name, nth) => [name, bases[nth]!.port]))
  await ask(servers[0], "PUT", "/v1/policy", { document: documentOf(ports, 0) })
  for (const [nth, name] of names.entries()) {
    await ask(servers[0], "PUT", `/v1/credentials/resources/${name}/root`, prepared[nth]!.root)
  }
  const owned = stack.move()
  return {
    folder,
    servers,
    webUrl: balancer.url,
    own,
    resources: Object.fromEntries(names.map((name, nth) => [name, bases[nth]!])),
    ownerUrls: Object.fromEntries(names.map((name, nth) => [name, prepared[nth]!.ownerUrl])),
    vkey: first.logKey,
    operator,
    ask,
    async joinToken(path, body) {
      // An agent may be suspended just now, by the soak's own operators, who resume it within seconds.
      for (const deadline = Date.now() + 60_000; ; await delay(500)) {
        try {
          return (await ask<{ token: string }>(servers[0], "POST", path, body)).token
        } catch (error) {
          if ((error as { code?: string }).code !== "agent-suspended" || Date.now() > deadline) throw error
        }
      }
    },
    ready: async (withinMs) => {
      const isReady = async ({ opsUrl }: Kept) =>
        (await fetch(`${opsUrl}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => null))?.ok === true
      for (const deadline = Date.now() + withinMs; Date.now() < deadline; await delay(100)) {
        if ((await Promise.all(servers.map(isReady))).every(Boolean)) return true
      }
      return false
    },
    deaths,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Keeping = {
  standby: (like: Server) => Promise<Server>
  deaths: string[]
  closing: AbortSignal
  errorsTo: string
}

function keep(first: Server, { standby, deaths, closing, errorsTo }: Keeping): Kept {
  let server = first
  let killed: Server | undefined
  const watch = (each: Server) =>
    void each.child.ended.then((how) => {
      appendFileSync(errorsTo, each.child.errors())
      if (each === killed || closing.aborted) return
      deaths.push(`a server ended by itself: ${JSON.stringify(how)} ${each.child.errors().slice(-2_000)}`)
      void restart().catch((error: unknown) => deaths.push(String(error)))
    })
  const restart = async () => {
    server = await standby(first)
    watch(server)
  }
  watch(server)
  return {
    agentsUrl: first.agentsUrl,
    webUrl: first.webUrl,
    opsUrl: first.opsUrl,
    async kill() {
      killed = server
      await server.child.kill("SIGKILL")
      await restart()
    },
    async pause(ms) {
      process.kill(server.child.pid, "SIGSTOP")
      await delay(ms)
      process.kill(server.child.pid, "SIGCONT")
    },
  }
}

/** A database with a table in it, and an account for Safeconduct that may lend out the group `kb_read`. */
async function prepareResource({ superuserUrl }: EmbeddedPostgres, database: string) {
  const ownerUrl = new URL(`/${database}`, superuserUrl).href
  for (const [url, ...statements] of [
    [superuserUrl, `create database ${database}`],
    [ownerUrl, "create table faq (id int primary key, answer text)", "insert into faq select 1, 'Nine to five.'"],
  ] as const) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    for (const statement of statements) await client.query(statement)
    await client.end()
  }
  const groups = [{ role: "kb_read", schemas: ["public"] }]
  const made = await applyPrepare(ownerUrl, { database, account: "safeconduct", groups }, silentLog)
  return { ownerUrl, root: { username: made!.username, password: made!.password.reveal() } }
}
