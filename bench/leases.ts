/**
 * Leases per second: intend, issue and revoke, each with its durable entries, at 1 and 4,096 SCRAM iterations, with 0 and
 * 1,000 other live roles at the resource; and the time from revoke() to a dead connection. Beside each stands the floor
 * measured in the same round: the same roles made and dropped by hand over as many connections, with verifiers that cost
 * nothing (PostgreSQL stretches once all the same, to refuse the empty password), no ledger, no log and no look at
 * connections. Medians of alternating rounds, with the least and the most. Both PostgreSQLs (ours and the resource's) sync as in production.
 *
 *     node --conditions=source bench/leases.ts
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import pg from "pg"
import { migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "../server/src/audit/index.ts"
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

/** Callers at once; the room and the floor use four connections to the resource. */
const CALLERS = 64
const CONNECTIONS = 4
const ROUNDS = 5
/** Leases of a round. */
const LEASES = 300
/** Leases of a round that are cut one after another. */
const CUTS = 40
const by = "spiffe://example.org/operator/admin"
const origin = "example.org/log/1"

const folder = await mkdtemp(join(tmpdir(), "safeconduct-bench-"))
const own = await startPostgres({ folder: join(folder, "own"), log: silentLog })
const resource = await startPostgres({ folder: join(folder, "resource"), log: silentLog })
try {
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(own)
  await using owner = openDatabase({ url: ownerUrl, maxConnections: 1 })
  await using database = openDatabase({ url: serverUrl })
  await migrate(owner, [kernelMigrations, auditMigrations, migrations], SERVER_ROLE)
  await nameDeployment(database, "example.org")
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const signer = await openFileSigner(keyPath, origin)
  const common = { database, clock: systemClock, log: silentLog }
  await using audit = await openAudit({ ...common, signer, origin, events })
  await using epoch = await watchEpoch(common)
  await using credentials = await openCredentials({
    ...common,
    audit,
    epoch,
    keyring: openKeyring(random(32)),
    engines,
  })

  const spec = { database: "postgres", account: "safeconduct", groups: [{ role: "kb_read", schemas: ["public"] }] }
  const root = (await applyPrepare(resource.superuserUrl, spec, silentLog))!
  const force = async (scramIterations: 1 | 4096) => {
    const document = {
      kb: {
        engine: "postgres",
        host: resource.host,
        port: resource.port,
        database: "postgres",
        tls: "disable",
        operations: { read: { groupRole: "kb_read" } },
        limits: { leases: 100_000, leasesPerSession: 1_000, scramIterations },
      },
    }
    await audit.commit(credentials.replace(credentials.parse(document), by))
    await epoch.refresh()
  }
  await force(1)
  await credentials.configure("kb", root, by)
  // The floor's account has the same rights as ours: on PostgreSQL 16 a superuser would be spared the checks.
  await applyPrepare(resource.superuserUrl, { ...spec, account: "floor" }, silentLog)
  const dba = new pg.Client({ connectionString: resource.superuserUrl })
  await dba.connect()
  await dba.query("alter role floor password 'floor'")
  await dba.end()
  const raw = new pg.Pool({ connectionString: resource.urlFor("floor", "floor", "postgres"), max: CONNECTIONS })
  const floorStanding = async (count: number) => {
    const names = Array.from({ length: count }, () => `floor_${newId("lease")}`)
    await each(names, (name) => raw.query(rawIssue(name, 1)))
  }

  console.log(`${ROUNDS} rounds of ${LEASES} leases by ${CALLERS} callers: median (least–most) per second`)
  for (const live of [0, 1_000]) {
    await force(1)
    const standing = await many(live, () => lease(credentials, audit))
    await floorStanding(live)
    for (const iterations of [1, 4096] as const) {
      await force(iterations)
      const rounds: Round[] = []
      const cuts: number[] = []
      for (let round = 0; round <= ROUNDS; round++) {
        const measured = await measure(credentials, audit, raw, iterations)
        const cut = await cutTimes(credentials, audit)
        // The first one warms up.
        if (round === 0) continue
        rounds.push(measured)
        cuts.push(...cut)
      }
      cuts.sort((a, b) => a - b)
      console.log(`\n${iterations} iterations, ${live} other live roles`)
      for (const name of Object.keys(rounds[0]!) as (keyof Round)[]) {
        console.log(`  ${name.padEnd(16)} ${spread(rounds.map((round) => round[name]))}`)
      }
      const at = (share: number) => cuts[Math.floor((cuts.length - 1) * share)]!.toFixed(1)
      console.log(`  ${"cut, ms".padEnd(16)} p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`)
    }
    await each(standing, ({ lease: { id } }) => credentials.revoke(id, "released"))
  }
  await raw.end()
} finally {
  await Promise.all([own.stop(), resource.stop()])
  await Promise.all([removePostgres(own.folder), removePostgres(resource.folder)])
  await rm(folder, { recursive: true, force: true })
}

async function lease(credentials: Credentials, audit: Awaited<ReturnType<typeof openAudit>>): Promise<Issued> {
  const { result, entries } = await audit.commit(credentials.intend(intention()))
  return await credentials.issue(result, entries[0]!)
}

function intention(): Intention {
  return {
    session: newId("session"),
    purpose: "answer-questions",
    caller: {
      spiffeId: "spiffe://example.org/agent/support-bot",
      name: "support-bot",
      instance: "instance_1",
      serial: "0a",
    },
    action: { id: newId("action"), digest: "digest", type: "credential", resource: "kb", operation: "read" },
    idempotencyKey: null,
    leaseSeconds: 3_000,
    hardEndAt: new Date(Date.now() + 3_600_000),
  }
}

/** From the call to the moment the holder's connection is dead; one lease after another. */
async function cutTimes(credentials: Credentials, audit: Awaited<ReturnType<typeof openAudit>>): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < CUTS; n++) {
    const { lease: made, credential } = await lease(credentials, audit)
    const { host, port, user, password, database } = credential.reveal() as Record<string, string>
    const client = new pg.Client({
      host: host!,
      port: Number(port),
      user: user!,
      password: password!,
      database: database!,
    })
    client.on("error", () => undefined)
    await client.connect()
    const dead = new Promise((resolve) => client.once("end", resolve))
    const [ms] = await timed(async () => {
      void credentials.revoke(made.id, "released")
      await dead
    })
    times.push(ms)
  }
  return times
}

function rawIssue(name: string, iterations: number): string {
  const verifier = `SCRAM-SHA-256$${iterations}:${random(16).toString("base64")}$${random(32).toString("base64")}:${random(32).toString("base64")}`
  return (
    `create role ${name} login password '${verifier}' valid until '2100-01-01' connection limit 5;` +
    `comment on role ${name} is 'floor'; grant kb_read to ${name} with inherit true, set false`
  )
}

function rawRevoke(name: string): string {
  return `alter role ${name} nologin; drop role ${name}`
}

/** Leases per second, and what they are of the floors. */
type Round = Record<
  "issue" | "floor of issue" | "issue / floor" | "revoke" | "floor of revoke" | "revoke / floor",
  number
>

async function measure(
  credentials: Credentials,
  audit: Awaited<ReturnType<typeof openAudit>>,
  raw: pg.Pool,
  iterations: 1 | 4096,
): Promise<Round> {
  const names = Array.from({ length: LEASES }, () => `floor_${newId("lease")}`)
  const rate = (ms: number) => (LEASES / ms) * 1_000
  const [floorIssueMs] = await timed(() => each(names, (name) => raw.query(rawIssue(name, iterations))))
  const [floorRevokeMs] = await timed(() => each(names, (name) => raw.query(rawRevoke(name))))
  const [issueMs, issued] = await timed(() => many(LEASES, () => lease(credentials, audit)))
  const [revokeMs] = await timed(() => each(issued, ({ lease: { id } }) => credentials.revoke(id, "released")))
  await each(issued, ({ lease: { id } }) => credentials.settled(id))
  return {
    issue: rate(issueMs),
    "floor of issue": rate(floorIssueMs),
    "issue / floor": floorIssueMs / issueMs,
    revoke: rate(revokeMs),
    "floor of revoke": rate(floorRevokeMs),
    "revoke / floor": floorRevokeMs / revokeMs,
  }
}

/** Median, least and most. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const show = (value: number) => value.toFixed(value < 10 ? 2 : 0)
  return `${show(sorted[Math.floor(sorted.length / 2)]!)} (${show(sorted[0]!)}–${show(sorted.at(-1)!)})`
}

async function many<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  await each(Array.from({ length: count }), async () => void results.push(await work()))
  return results
}

/** Works on all items, so many at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const caller = async () => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const started = performance.now()
  const result = await work()
  return [performance.now() - started, result]
}
