import type { Queryable } from "#kernel"
import type { Session } from "../session.ts"
import { type Row, read } from "../store.ts"

/** Sessions of one tree that are read at the most. */
const MAX_READ = 1_000

/** The session and all beneath it, in any state: each comes after its parent, and beside others in the order of their opening. */
export async function treeOf(database: Queryable, id: string): Promise<Session[]> {
  const rows = await database.query<Row>(
    `with recursive tree as (
       select s.*, 0 as depth from sessions.sessions s where s.id = $1
       union all select s.*, t.depth + 1 from sessions.sessions s join tree t on s.parent = t.id
     )
     select * from tree order by depth, opened_at, id limit ${MAX_READ}`,
    [id],
  )
  return rows.map(read)
}
