import { readFileSync } from "node:fs"
import { appendFile, chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, type Id, newId, removePostgres, silentLog, startPostgres } from "#kernel"
import { fillFromTemplate } from "#testing"
import type { Approved } from "../../approved.ts"
import type { Account, Engine, Order } from "../../engine.ts"
import { type LabClient, type LabDatabase, labDatabase, orderOf } from "./fixture.ts"
import { postgres } from "./index.ts"
import type { PostgresPart } from "./part.ts"
import { applyPrepare, type PrepareSpec } from "./prepare.ts"

/** Salaries that agents change by approval alone, made by the statements of docs/how-to/refuse-what-was-not-approved.md. */
export type Payroll = AsyncDisposable & {
  lab: LabDatabase
  dba: LabClient
  engine: Engine
  spec: PrepareSpec
  part: PostgresPart
  group: string
  /** A lease for an approved raise of Alice to 5,200 unless told. */
  lease(approved?: Partial<Approved> | null, operation?: string): Promise<ApprovedLease>
  order(approved?: Partial<Approved> | null, operation?: string): Order
  /** The department's own application sets Alice's salary to what it was; nobody approves that. */
  correct(): Promise<void>
  /** What everybody earns. */
  salaries(): Promise<{ [employee: string]: number }>
  /** When the approval was used; null when it was not, undefined when there is none. */
  usedAt(approval: string): Promise<Date | null | undefined>
}

/** A connection, what it was made for, and another one with the same credential. */
export type ApprovedLease = LabClient & { account: Account; approval: string; again(): Promise<LabClient> }

/** What Alice is to earn, as the statement that does it. */
export const RAISE = "update salaries set euros = 5200 where employee = 'alice'"

const document = new URL("../../../../../docs/how-to/refuse-what-was-not-approved.md", import.meta.url)

/** What the document leaves to the attacker, and what its owner may have added. */
const MORE = `grant insert (employee, euros), delete on salaries to salary_desk;
  create function raise_by(who text, more numeric) returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
    update public.salaries set euros = euros + more where employee = who
  $$;`

/** Builds it on PostgreSQL of that version, on a cluster that tests share unless told. */
export async function openPayroll(version: 15 | 18, cluster?: EmbeddedPostgres): Promise<Payroll> {
  const lab = await labDatabase(version, { scramIterations: 1, connectionsPerLease: 20 }, false, cluster)
  const group = `${lab.database}_raise`
  const application = `${lab.database}_app`
  // Roles are the whole cluster's.
  const here = (text: string) => text.replaceAll("salary_desk", group).replaceAll("hr_app", application)
  const blocks = [...readFileSync(document, "utf8").matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql]) => here(sql!))
  const [tables, grants, trigger] = blocks
  const dba = await lab.dba()
  await dba.query(`drop table faq; ${tables}`)
  const spec: PrepareSpec = { ...lab.spec, groups: [{ role: group, schemas: ["public"], requiresApproval: true }] }
  const root = (await applyPrepare(lab.superuserUrl, spec, silentLog))!
  for (const block of [grants, trigger, here(MORE)]) await dba.query(block!)
  const operations = {
    raise: { groupRole: group, approval: "required" as const },
    demote: { groupRole: group, approval: "required" as const },
    write: { groupRole: group },
  }
  const part: PostgresPart = { ...lab.part, operations }
  const engine = postgres.open({ name: "hr", part }, root, silentLog)
  const order: Payroll["order"] = (approved, operation = "raise") => {
    const whole = {
      id: newId("approval") as Id<"approval">,
      digest: "d",
      arguments: { employee: "alice", euros: 5200 },
    }
    return orderOf(
      { ...lab, part },
      { operation, ...(approved === null ? {} : { approval: { ...whole, ...approved } }) },
    )
  }
  return {
    ...{ lab, dba, engine, spec, part, group, order },
    async lease(approved, operation) {
      const ordered = order(approved, operation)
      const { oid, credential } = await engine.issue(ordered)
      const again = () => lab.lease(credential.reveal())
      const account = { name: ordered.name, oid }
      return Object.assign(await again(), { account, approval: ordered.binding.approval?.id ?? "", again })
    },
    async correct() {
      await dba.query(`set session authorization ${application}`)
      await dba.query("update salaries set euros = 4800 where employee = 'alice'")
      await dba.query("reset session authorization")
    },
    async salaries() {
      const { rows } = await dba.query<{ employee: string; euros: string }>("select employee, euros from salaries")
      return Object.fromEntries(rows.map(({ employee, euros }) => [employee, Number(euros)]))
    },
    async usedAt(approval) {
      const { rows } = await dba.query("select used_at from safeconduct.approvals where approval = $1", [approval])
      return (rows[0] as { used_at: Date | null } | undefined)?.used_at
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await dba[Symbol.asyncDispose]()
    },
  }
}

/** A cluster where transactions may be left prepared, which is no default; `stack` ends it. */
export async function preparingCluster(version: 15 | 18, stack: AsyncDisposableStack): Promise<EmbeddedPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-prepared-"))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711)
  await fillFromTemplate(folder, version)
  await appendFile(join(folder, "data", "postgresql.conf"), "\nmax_prepared_transactions = 4\n")
  const cluster = await startPostgres({ folder, version, isThrowaway: true, log: silentLog })
  stack.defer(async () => {
    await cluster.stop()
    await removePostgres(folder)
  })
  return cluster
}
