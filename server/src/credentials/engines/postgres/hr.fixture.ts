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

/** Salaries that agents change by approval alone: a trigger asks for it, whoever writes the table. */
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
  /** What everybody earns. */
  salaries(): Promise<{ [employee: string]: number }>
  /** When the approval was used; null when it was not, undefined when there is none. */
  usedAt(approval: string): Promise<Date | null | undefined>
}

/** A connection, what it was made for, and another one with the same credential. */
export type ApprovedLease = LabClient & { account: Account; approval: string; again(): Promise<LabClient> }

/** What Alice is to earn, as the statement that does it. */
export const RAISE = "update salaries set euros = 5200 where employee = 'alice'"

const TABLES = (group: string) => `
  drop table faq;
  create table salaries (employee text primary key, euros numeric(12, 2) not null, grade int not null default 1);
  insert into salaries values ('alice', 4800), ('bob', 4100), ('carol', 3900);
  grant select, insert (employee, euros), update (euros), delete on salaries to ${group};
  create function approved_raise() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if session_user <> 'postgres' then
      perform safeconduct.use_approval('raise', jsonb_build_object('employee', new.employee, 'euros', new.euros));
    end if;
    return null;
  end $$;
  create trigger approved after insert or update or delete on salaries for each row execute function approved_raise();
  alter table salaries enable always trigger approved;
  create function raise_by(who text, more numeric) returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
    update public.salaries set euros = euros + more where employee = who
  $$;`

/** Builds it on PostgreSQL of that version, on a cluster that tests share unless told. */
export async function openPayroll(version: 15 | 18, cluster?: EmbeddedPostgres): Promise<Payroll> {
  const lab = await labDatabase(version, { scramIterations: 1, connectionsPerLease: 20 }, false, cluster)
  const group = `${lab.database}_raise`
  const dba = await lab.dba()
  const spec: PrepareSpec = { ...lab.spec, groups: [{ role: group, schemas: [], requiresApproval: true }] }
  const root = (await applyPrepare(lab.superuserUrl, spec, silentLog))!
  await dba.query(`grant usage on schema public to ${group}; ${TABLES(group)}`)
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
