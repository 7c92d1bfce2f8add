import pg from "pg"
import { newId } from "../server/src/kernel/index.ts"
import type { Ground } from "../stories/fixtures/ground.ts"
import { databaseUrl } from "../stories/fixtures/resource.ts"

/** What an approval is to PostgreSQL alone. */
export type ApprovalRows = AsyncDisposable & {
  /** Bytes of the row that is inserted. */
  bytes: number
  /** Inserts a request, inserts its decision, marks it approved and marks it used: four commits, one after another. */
  once(): Promise<void>
}

/**
 * Tables beside the server's own, with the same columns, indexes and references, over that many connections. What is inserted is
 * the newest request that was used, under another id.
 */
export async function openApprovalRows({ own }: Ground, connections: number): Promise<ApprovalRows> {
  const pool = new pg.Pool({ connectionString: databaseUrl(own, "safeconduct"), max: connections })
  await pool.query(`
    create schema bench;
    create table bench.requests (like approvals.requests including all);
    create table bench.decisions (like approvals.decisions including all, foreign key (request) references bench.requests (id));`)
  const newest = "from approvals.requests r where used_at is not null order by requested_at desc limit 1"
  const { rows } = await pool.query(`select to_jsonb(r) as request, pg_column_size(r) as bytes, id ${newest}`)
  const [{ request, bytes, id }] = rows
  const decided = await pool.query("select to_jsonb(d) as decision from approvals.decisions d where request = $1", [id])
  const [{ decision }] = decided.rows
  const { use_before, used_by, used_key } = request
  const fresh = { ...request, state: "requested", decided_at: null, use_before: null }
  Object.assign(fresh, { used_at: null, used_by: null, used_key: null })
  const insert = (table: string) => ({
    name: table,
    text: `insert into bench.${table} select * from jsonb_populate_record(null::bench.${table}, $1)`,
  })
  return {
    bytes,
    async once() {
      const own = newId("approval")
      await pool.query({ ...insert("requests"), values: [{ ...fresh, id: own }] })
      await pool.query({ ...insert("decisions"), values: [{ ...decision, request: own }] })
      await pool.query({
        name: "approved",
        text: "update bench.requests set state = 'approved', decided_at = clock_timestamp(), use_before = $2 where id = $1",
        values: [own, use_before],
      })
      await pool.query({
        name: "used",
        text: "update bench.requests set used_at = clock_timestamp(), used_by = $2, used_key = $3 where id = $1",
        values: [own, used_by, used_key],
      })
    },
    [Symbol.asyncDispose]: () => pool.end(),
  }
}
