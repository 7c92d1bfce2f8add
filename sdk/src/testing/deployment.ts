import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { applyPrepare, type Dev, dev, removePostgres, silentLog } from "@safeconduct/server/programs"
import pg from "pg"
import { enrol } from "../enrol.ts"
import { peerOf } from "../identity.ts"
import { openTransport, type Transport } from "../transport.ts"

/** A server with a knowledge base, an operator and an agent; everything real, on loopback, gone with it. */
export type Deployment = AsyncDisposable & {
  server: Dev
  operator: Transport
  folder: string
  /** A join token for the agent `support-bot`. */
  joinToken(): Promise<string>
  /** Runs SQL in the knowledge base as its superuser. */
  asOwner(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

const READ_KB = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
const MAY_READ = `@id("support-bot-reads-kb") permit (principal == agents::Agent::"support-bot", action == policy::Action::"credential",
  resource == credentials::Resource::"kb") when { context.operation == "read" };`

/** Starts one. `short` is a purpose whose leases live a second; `brief` one whose sessions end for good after two. */
export async function deploy(): Promise<Deployment> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-sdk-"))
  stack.defer(async () => {
    // Run as root, the data lies outside of the folder.
    await removePostgres(join(folder, "server", "postgres"))
    await rm(folder, { recursive: true, force: true })
  })
  const anywhere = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }
  const server = stack.use(await dev({ folder: join(folder, "server"), flags: anywhere, log: silentLog }))
  const joinToken = server.operatorJoinToken!
  const identity = await enrol({ url: server.agentsUrl, joinToken, folder: join(folder, "operator") })
  const operator = stack.use(openTransport(peerOf(identity)))

  const urlOf = (database: string) => {
    const url = new URL(server.postgres.superuserUrl)
    url.pathname = database
    return url.href
  }
  const run = async (database: string, sql: string, values?: unknown[]) => {
    const client = new pg.Client({ connectionString: urlOf(database) })
    await client.connect()
    try {
      return (await client.query(sql, values)).rows as Record<string, unknown>[]
    } finally {
      await client.end()
    }
  }
  await run("postgres", "create database kb")
  await run("kb", "create table faq (question text, answer text); insert into faq values ('opening hours', '9 to 5')")
  const groups = [{ role: "kb_read", schemas: ["public"] }]
  const root = await applyPrepare(urlOf("kb"), { database: "kb", account: "safeconduct_kb", groups }, silentLog)
  await operator.json({ method: "PUT", path: "/v1/policy", body: { document: documentFor(server.postgres.port) } })
  const body = { username: root!.username, password: root!.password.reveal() }
  await operator.json({ method: "PUT", path: "/v1/credentials/resources/kb/root", body })

  const owned = stack.move()
  return {
    server,
    operator,
    folder,
    async joinToken() {
      const path = "/v1/agents/support-bot/join-tokens"
      return (await operator.json<{ token: string }>({ method: "POST", path })).token
    },
    asOwner: (sql, values) => run("kb", sql, values),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function documentFor(port: number) {
  const purpose = (session?: object) => ({
    description: "Answer questions",
    actions: [READ_KB],
    ...(session && { session }),
  })
  return {
    purposes: {
      "answer-questions": purpose(),
      short: purpose({ lifetimeSeconds: 2, leaseSeconds: 1 }),
      brief: purpose({ lifetimeSeconds: 2, hardEndSeconds: 2, leaseSeconds: 1 }),
      private: purpose(),
    },
    resources: {
      kb: {
        engine: "postgres",
        host: "127.0.0.1",
        port,
        database: "kb",
        tls: "disable",
        operations: { read: { groupRole: "kb_read" }, write: { groupRole: "kb_read" } },
      },
    },
    agents: {
      "support-bot": {
        owner: "test@example.com",
        description: "Answers",
        purposes: ["answer-questions", "short", "brief"],
        ceiling: [READ_KB],
      },
    },
    policies: [{ file: "kb.cedar", text: MAY_READ }],
  }
}
