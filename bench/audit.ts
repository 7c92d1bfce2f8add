/**
 * Entries per second of the log, and the time a caller waits for one to be durable, at 1, 64 and 1,024 callers. Beside each
 * stands the floor measured in the same run: an ordinary audit table, with the same columns and indexes, filled by the same
 * group commit, and no head, no tree, no canonical form, no checkpoint. Medians of alternating rounds; PostgreSQL syncs
 * as in production.
 *
 *     node --conditions=source bench/audit.ts
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createLogKey, type Draft, migrations, openAudit, openFileSigner } from "../server/src/audit/index.ts"
import {
  base64url,
  createBatch,
  type Database,
  kernelMigrations,
  migrate,
  newId,
  openDatabase,
  prepareOwnDatabase,
  random,
  removePostgres,
  SERVER_ROLE,
  silentLog,
  startPostgres,
  systemClock,
} from "../server/src/kernel/index.ts"

const ROUNDS = 5
const SECONDS = 2
const origin = "example.org/log/1"

/** About what the gate records of an action: 500 bytes as a leaf. */
const draft: Draft = {
  event: "bench.happened",
  by: "spiffe://example.org/agent/support-bot",
  agent: { name: "support-bot", instance: "instance_0123456789abcdefghjkmnpqrs", svid: "0123456789abcdef" },
  session: "session_0123456789abcdefghjkmnpqrs",
  purpose: "answer-questions",
  action: {
    id: "action_0123456789abcdefghjkmnpqrs",
    digest: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    type: "credential",
    resource: "kb",
    operation: "read",
  },
}

type Round = { perSecond: number; p50Ms: number; p99Ms: number }

const folder = await mkdtemp(join(tmpdir(), "safeconduct-bench-"))
const postgres = await startPostgres({ folder: join(folder, "postgres"), log: silentLog })
try {
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(postgres)
  await using owner = openDatabase({ url: ownerUrl, maxConnections: 1 })
  await using database = openDatabase({ url: serverUrl })
  await migrate(owner, [kernelMigrations, migrations], SERVER_ROLE)
  await owner.query("create schema bench")
  await owner.query("create table bench.plain (like audit.entries including all)")
  await owner.query("alter table bench.plain alter index add generated always as identity")
  await owner.query(`grant usage on schema bench to ${SERVER_ROLE}`)
  await owner.query(`grant insert on bench.plain to ${SERVER_ROLE}`)

  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const signer = await openFileSigner(keyPath, origin)
  const events = { "bench.happened": "A round of a benchmark." }
  await using audit = await openAudit({ database, clock: systemClock, log: silentLog, signer, origin, events })
  const { entries } = await audit.commit({ entries: () => [draft] })
  const leafBytes = (await audit.entry(entries[0]!.id)).text.length
  const plain = plainInserts(database)

  console.log(`entries of ${leafBytes} bytes, ${ROUNDS} rounds of ${SECONDS} s each, medians`)
  console.log("callers |  log/s   p50 ms   p99 ms | floor/s   p50 ms   p99 ms | log/floor")
  for (const callers of [1, 64, 1024]) {
    const [log, floor]: [Round[], Round[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      log.push(await measure(callers, async () => void (await audit.commit({ entries: () => [draft] }))))
      floor.push(await measure(callers, plain))
    }
    const [ours, theirs] = [medians(log), medians(floor)]
    const ratio = (ours.perSecond / theirs.perSecond).toFixed(2)
    console.log(`${String(callers).padStart(7)} | ${show(ours)} | ${show(theirs)} | ${ratio.padStart(9)}`)
  }
} finally {
  await postgres.stop()
  await removePostgres(join(folder, "postgres"))
  await rm(folder, { recursive: true, force: true })
}

/** The same group commit into an ordinary table. */
function plainInserts(database: Database): () => Promise<void> {
  const batch = createBatch<{ id: string; at: string; leaf: string }, null>({
    database,
    append: async (tx, rows) => {
      await tx.query(
        `insert into bench.plain (id, event, session, at, leaf)
         select id, $2, $3, at, convert_to(leaf, 'UTF8') from unnest($1::text[], $4::timestamptz[], $5::text[]) r (id, at, leaf)`,
        [rows.map(({ id }) => id), draft.event, draft.session, rows.map(({ at }) => at), rows.map(({ leaf }) => leaf)],
      )
      return { receipts: rows.map(() => null), epoch: 0 }
    },
  })
  return async () => {
    const row = { id: newId("entry"), at: new Date().toISOString() }
    const leaf = JSON.stringify({ v: 1, ...row, salt: base64url(random(16)), ...draft })
    await batch.commit({ items: () => [{ ...row, leaf }] })
  }
}

async function measure(callers: number, once: () => Promise<void>): Promise<Round> {
  const waits: number[] = []
  const startMs = performance.now()
  const endMs = startMs + SECONDS * 1000
  const caller = async () => {
    for (let fromMs = performance.now(); fromMs < endMs; ) {
      await once()
      const nowMs = performance.now()
      waits.push(nowMs - fromMs)
      fromMs = nowMs
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const seconds = (performance.now() - startMs) / 1000
  waits.sort((a, b) => a - b)
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]!
  return { perSecond: waits.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function medians(rounds: Round[]): Round {
  const median = (of: (round: Round) => number) => rounds.map(of).sort((a, b) => a - b)[Math.floor(rounds.length / 2)]!
  return { perSecond: median((r) => r.perSecond), p50Ms: median((r) => r.p50Ms), p99Ms: median((r) => r.p99Ms) }
}

function show({ perSecond, p50Ms, p99Ms }: Round): string {
  return `${perSecond.toFixed(0).padStart(7)} ${p50Ms.toFixed(2).padStart(8)} ${p99Ms.toFixed(2).padStart(8)}`
}
