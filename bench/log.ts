import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Audit,
  createLogKey,
  type Draft,
  migrations,
  openAudit,
  openFileSigner,
} from "../server/src/audit/index.ts"
import {
  base64url,
  createBatch,
  type Database,
  kernelMigrations,
  migrate,
  newId,
  openDatabase,
  prepareOwnDatabase,
  type Queryable,
  random,
  removePostgres,
  SERVER_ROLE,
  silentLog,
  startPostgres,
  systemClock,
} from "../server/src/kernel/index.ts"

/** A log of its own on a PostgreSQL that syncs, and an ordinary table beside it with the same columns and indexes. */
export type BenchLog = AsyncDisposable & {
  audit: Audit
  /** Bytes of the entry that is committed. */
  leafBytes: number
  /** Commits one entry; resolves with its id. */
  commit(): Promise<string>
  /** The floor: the same group commit into the ordinary table, with no head, no tree, no canonical form, no checkpoint. */
  insert(): Promise<void>
}

const ORIGIN = "example.org/log/1"

/** What the gate records of an action: about 500 bytes as a leaf. */
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

/** Opens it in a folder that goes with it. */
export async function openBenchLog(): Promise<BenchLog> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-bench-"))
  stack.defer(async () => {
    await removePostgres(join(folder, "postgres"))
    await rm(folder, { recursive: true, force: true })
  })
  const postgres = stack.use(await startPostgres({ folder: join(folder, "postgres"), log: silentLog }))
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(postgres)
  await using owner = openDatabase({ url: ownerUrl, maxConnections: 1 })
  const database = stack.use(openDatabase({ url: serverUrl }))
  await migrate(owner, [kernelMigrations, migrations], SERVER_ROLE)
  await owner.query("create schema bench")
  await owner.query("create table bench.plain (like audit.entries including all)")
  await owner.query("alter table bench.plain alter index add generated always as identity")
  await owner.query(`grant usage on schema bench to ${SERVER_ROLE}`)
  await owner.query(`grant insert on bench.plain to ${SERVER_ROLE}`)
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, ORIGIN)
  const signer = await openFileSigner(keyPath, ORIGIN)
  const events = { "bench.happened": "A round of a benchmark." }
  const parts = { database, clock: systemClock, log: silentLog, signer, origin: ORIGIN, events }
  const audit = stack.use(await openAudit(parts))
  const commit = async () => (await audit.commit({ entries: () => [draft] })).entries[0]!.id
  const leafBytes = (await audit.entry(await commit())).text.length
  const owned = stack.move()
  return { audit, leafBytes, commit, insert: inserting(database), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function inserting(database: Database): () => Promise<void> {
  const append = async (queryable: Queryable, rows: { id: string; at: string; leaf: string }[]) => {
    await queryable.query(
      `insert into bench.plain (id, event, session, at, leaf)
         select id, $2, $3, at, convert_to(leaf, 'UTF8') from unnest($1::text[], $4::timestamptz[], $5::text[]) r (id, at, leaf)`,
      [rows.map(({ id }) => id), draft.event, draft.session, rows.map(({ at }) => at), rows.map(({ leaf }) => leaf)],
    )
    return { receipts: rows.map(() => null), epoch: 0 }
  }
  const batch = createBatch({ database, append, appendAlone: append })
  return async () => {
    const row = { id: newId("entry"), at: new Date().toISOString() }
    const leaf = JSON.stringify({ v: 1, ...row, salt: base64url(random(16)), ...draft })
    await batch.commit({ items: () => [{ ...row, leaf }] })
  }
}
