import { randomBytes } from "node:crypto"
import pg from "pg"
import { type EmbeddedPostgres, type Id, newId, Secret, silentLog } from "#kernel"
import { testPostgres } from "#testing"
import type { Approved } from "../../approved.ts"
import type { Behalf } from "../../behalf.ts"
import type { Credential, Engine, Order, Root } from "../../engine.ts"
import { roleName } from "../../lease.ts"
import { postgres } from "./index.ts"
import { type PostgresPart, parsePostgres } from "./part.ts"
import { applyPrepare, type PrepareSpec } from "./prepare.ts"

/** A database with a table, prepared for the group role `<database>_read`; it goes with its cluster. */
export interface LabDatabase {
  version: 15 | 18
  superuserUrl: string
  database: string
  spec: PrepareSpec
  part: PostgresPart
  root: Root
  engine(): Engine
  /** A connection as the DBA. */
  dba(database?: string): Promise<LabClient>
  /** A connection with what was issued. */
  lease(credential: Credential, database?: string): Promise<LabClient>
}

/** A driver's connection that remembers why it ended. */
export type LabClient = pg.Client & AsyncDisposable & { ended: Promise<void> }

/** Makes and prepares a database on PostgreSQL of that version, on a cluster that tests share unless told. */
export async function labDatabase(
  version: 15 | 18,
  limits: Partial<PostgresPart["limits"]> = {},
  prepares = true,
  cluster?: Pick<EmbeddedPostgres, "superuserUrl">,
): Promise<LabDatabase> {
  const { superuserUrl: url } = cluster ?? (await testPostgres(version))
  const database = `kb_${randomBytes(6).toString("hex")}`
  const at = new URL(url)
  const dba = (to = database) =>
    open({
      host: at.hostname,
      port: Number(at.port),
      user: at.username,
      password: decodeURIComponent(at.password),
      database: to,
    })
  await using server = await dba("postgres")
  await server.query(`create database ${database}`)
  await using inside = await dba()
  await inside.query("create table faq (id int primary key, answer text)")
  await inside.query("insert into faq select n, 'Nine to five.' from generate_series(1, 100) n")
  const group = `${database}_read`
  const account = `${database}_root`
  const spec: PrepareSpec = { database, account, groups: [{ role: group, schemas: ["public"] }] }
  const superuserUrl = new URL(url)
  superuserUrl.pathname = `/${database}`
  const root = prepares ? await applyPrepare(superuserUrl.href, spec, silentLog) : null
  const part = parsePostgres(
    {
      engine: "postgres",
      host: at.hostname,
      port: Number(at.port),
      database,
      tls: "disable",
      operations: { read: { groupRole: group } },
      limits,
    },
    "resources.kb",
  )
  const held = root ?? { username: at.username, password: new Secret(decodeURIComponent(at.password)) }
  return {
    version,
    superuserUrl: superuserUrl.href,
    database,
    spec,
    part,
    root: held,
    engine: () => postgres.open({ name: "kb", part }, held, silentLog),
    dba,
    // As the SDK's settings.ts has it.
    lease: ({ host, port, user, password, tls, ca }, to = database) =>
      open({
        host: `${host}`,
        port: Number(port),
        user: `${user}`,
        password: `${password}`,
        database: to,
        ssl: tls !== "disable" && { rejectUnauthorized: tls === "verify-full", ...(ca && { ca: `${ca}` }) },
      }),
  }
}

/** The role's name, and whose it is: the agent's own unless told. */
export type Ordered = Partial<Behalf> & Partial<Pick<Order, "name" | "operation">> & { approval?: Approved }

/** What the agent `support-bot` asks for at a laboratory, for a minute. */
export function orderOf({ part }: LabDatabase, { name, operation = "read", ...behalf }: Ordered = {}): Order {
  const lease = newId("lease") as Id<"lease">
  const binding = {
    lease,
    session: newId("session"),
    purpose: "order-help",
    agent: "support-bot",
    user: null,
    application: null,
    chain: [],
    parameters: {},
    approval: null,
    ...behalf,
  }
  const expiresAt = new Date(Date.now() + 60_000)
  return { name: name ?? roleName("00000000", lease), part, operation, expiresAt, comment: "a test", binding }
}

async function open(config: pg.ClientConfig): Promise<LabClient> {
  const client = new pg.Client(config)
  // The connection will be cut: that is an event here, not an exception.
  client.on("error", () => undefined)
  const ended = new Promise<void>((resolve) => {
    client.once("end", () => resolve())
  })
  await client.connect()
  return Object.assign(client, { ended, [Symbol.asyncDispose]: () => client.end().catch(() => undefined) })
}
