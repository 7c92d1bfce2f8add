import type { Queryable } from "#kernel"
import type { Resource } from "../part.ts"

/** The resources in force. */
export async function readResources(db: Queryable): Promise<Resource[]> {
  return await db.query<Resource>("select name, part from credentials.resources order by name")
}

/** Puts these resources in force and no others; their roots go with those that are gone. */
export async function writeResources(tx: Queryable, resources: readonly Resource[]): Promise<void> {
  await tx.query("delete from credentials.resources where name <> all ($1)", [resources.map(({ name }) => name)])
  for (const { name, part } of resources) {
    await tx.query(
      `insert into credentials.resources as r (name, part) values ($1, $2)
       on conflict (name) do update set part = excluded.part, changed_at = now() where r.part <> excluded.part`,
      [name, JSON.stringify(part)],
    )
  }
}

/** Begins a round of comparing a resource with the ledger; false when a server did so less than `everyMs` ago. */
export async function beginRound(db: Queryable, resource: string, everyMs: number): Promise<boolean> {
  const rows = await db.query(
    `insert into credentials.rounds as r (resource) select name from credentials.resources where name = $1
     on conflict (resource) do update set begun_at = now()
      where r.begun_at <= now() - make_interval(secs => $2) returning resource`,
    [resource, everyMs / 1_000],
  )
  return rows.length > 0
}
