import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import pg from "pg"
import {
  type Audit,
  migrations as auditMigrations,
  createLogKey,
  openAudit,
  openFileSigner,
} from "../server/src/audit/index.ts"
import {
  applyPrepare,
  type Credentials,
  engines,
  events,
  type Intention,
  type Issued,
  migrations,
  openCredentials,
} from "../server/src/credentials/index.ts"
import {
  kernelMigrations,
  migrate,
  nameDeployment,
  newId,
  openDatabase,
  openKeyring,
  prepareOwnDatabase,
  random,
  removePostgres,
  SERVER_ROLE,
  silentLog,
  startPostgres,
  systemClock,
  watchEpoch,
} from "../server/src/kernel/index.ts"

/** The credentials room on two PostgreSQLs that sync: ours, and a resource that is prepared for us and for the floor. */
export type BenchCredentials = AsyncDisposable & {
  credentials: Credentials
  /** Intends and issues one lease. */
  lease(): Promise<Issued>
  /** From now on leases are made with that many SCRAM iterations. */
  useIterations(iterations: Iterations): Promise<void>
  /** Connections of the floor's account, which has the same rights as ours; as many as the room uses. */
  raw: pg.Pool
  /** Lets that many roles stand at the resource that each of the two accounts made, the floor's and ours. */
  standing(count: number): Promise<void>
}

/** How often PostgreSQL stretches a password: 1 is enough for random ones, 4,096 is what some drivers insist on. */
export type Iterations = 1 | 4096

const ORIGIN = "example.org/log/1"
const BY = "spiffe://example.org/operator/admin"
const CONNECTIONS = 4

/** Opens it in a folder that goes with it. */
export async function openBenchCredentials(): Promise<BenchCredentials> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-bench-"))
  stack.defer(async () => {
    await Promise.all([removePostgres(join(folder, "own")), removePostgres(join(folder, "resource"))])
    await rm(folder, { recursive: true, force: true })
  })
  const own = stack.use(await startPostgres({ folder: join(folder, "own"), log: silentLog }))
  const resource = stack.use(await startPostgres({ folder: join(folder, "resource"), log: silentLog }))
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(own)
  await using owner = openDatabase({ url: ownerUrl, maxConnections: 1 })
  const database = stack.use(openDatabase({ url: serverUrl }))
  await migrate(owner, [kernelMigrations, auditMigrations, migrations], SERVER_ROLE)
  await nameDeployment(database, "example.org")
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, ORIGIN)
  const signer = await openFileSigner(keyPath, ORIGIN)
  const common = { database, clock: systemClock, log: silentLog }
  const audit = stack.use(await openAudit({ ...common, signer, origin: ORIGIN, events }))
  const epoch = stack.use(await watchEpoch(common))
  const keyring = openKeyring(random(32))
  const credentials = stack.use(await openCredentials({ ...common, audit, epoch, keyring, engines }))

  const useIterations = async (scramIterations: Iterations) => {
    const limits = { leases: 100_000, leasesPerSession: 1_000, scramIterations }
    const { host, port } = resource
    const operations = { read: { groupRole: "kb_read" } }
    const kb = { engine: "postgres", host, port, database: "postgres", tls: "disable", operations, limits }
    await audit.commit(credentials.replace(credentials.parse({ kb }), BY))
    await epoch.refresh()
  }
  const spec = { database: "postgres", account: "safeconduct", groups: [{ role: "kb_read", schemas: ["public"] }] }
  const root = (await applyPrepare(resource.superuserUrl, spec, silentLog))!
  await useIterations(1)
  await credentials.configure("kb", root, BY)
  // On PostgreSQL 16 a superuser would be spared the checks that a maker of roles is not.
  await applyPrepare(resource.superuserUrl, { ...spec, account: "floor" }, silentLog)
  const dba = new pg.Pool({ connectionString: resource.superuserUrl, max: 1 })
  stack.defer(() => dba.end())
  await dba.query("alter role floor password 'floor'")
  const raw = new pg.Pool({ connectionString: resource.urlFor("floor", "floor", "postgres"), max: CONNECTIONS })
  stack.defer(() => raw.end())
  let stood = 0
  const owned = stack.move()
  return {
    credentials,
    lease: () => lease(credentials, audit),
    useIterations,
    raw,
    async standing(count) {
      await dba.query(standingRoles(stood, count))
      stood = count
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function lease(credentials: Credentials, audit: Audit): Promise<Issued> {
  const { result, entries } = await audit.commit(credentials.intend(intention()))
  return await credentials.issue(result, entries[0]!)
}

function intention(): Intention {
  const instance = { name: "support-bot", instance: "instance_1", serial: "0a" }
  return {
    session: newId("session"),
    purpose: "answer-questions",
    caller: { spiffeId: "spiffe://example.org/agent/support-bot", ...instance } as Intention["caller"],
    action: { id: newId("action"), digest: "digest", type: "credential", resource: "kb", operation: "read" },
    idempotencyKey: null,
    leaseSeconds: 3_000,
    hardEndAt: new Date(Date.now() + 3_600_000),
  }
}

/** Made in one go by a superuser, with the membership that PostgreSQL 16 gives to a role's maker: the floor's account, or ours. */
function standingRoles(from: number, to: number): string {
  return `do $$ declare maker text; begin
    for n in ${from + 1}..${to} loop
      maker := case when n % 2 = 0 then 'floor' else 'safeconduct_maker_' || n / 2 % 32 + 1 end;
      execute format('create role standing_%s login password null in role kb_read', n);
      execute format('grant standing_%s to %I with admin true, inherit false, set false', n, maker);
    end loop;
  end $$`
}
