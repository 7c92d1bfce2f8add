import type { Id, Queryable, Transaction } from "#kernel"

/** Somebody stands in for somebody, for these groups, from then until then. */
export type StandIn = {
  id: Id<"standin">
  user: Id<"user">
  standIn: Id<"user">
  groups: string[]
  startsAt: Date
  endsAt: Date
  revokedAt: Date | null
}

const COLUMNS = `id, user_id as "user", stand_in as "standIn", groups, starts_at as "startsAt", ends_at as "endsAt", revoked_at as "revokedAt"`
const HOLDS = "revoked_at is null and starts_at <= clock_timestamp() and ends_at > clock_timestamp()"

/** Keeps it, from `startsInSeconds` on. Null when that many of the user's are there already. */
export async function insertStandIn(
  tx: Transaction,
  of: Pick<StandIn, "id" | "user" | "standIn" | "groups"> & { startsInSeconds: number; seconds: number },
  most: number,
): Promise<StandIn | null> {
  const [row] = await tx.query<StandIn>(
    `insert into approvals.stand_ins (id, user_id, stand_in, groups, starts_at, ends_at)
     select $1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5),
       clock_timestamp() + make_interval(secs => $5::float8 + $6::float8)
      where (select count(*) from approvals.stand_ins
              where user_id = $2 and revoked_at is null and ends_at > clock_timestamp()) < $7
     returning ${COLUMNS}`,
    [of.id, of.user, of.standIn, JSON.stringify(of.groups), of.startsInSeconds, of.seconds, most],
  )
  return row ?? null
}

/** Takes it back: either of the two may. Null when it is neither's, or over. */
export async function revokeStandIn(tx: Transaction, by: string, id: string): Promise<StandIn | null> {
  const [row] = await tx.query<StandIn>(
    `update approvals.stand_ins set revoked_at = clock_timestamp()
      where id = $1 and $2 in (user_id, stand_in) and revoked_at is null and ends_at > clock_timestamp() returning ${COLUMNS}`,
    [id, by],
  )
  return row ?? null
}

/** Takes back every one that the user appointed. */
export async function revokeAppointed(tx: Transaction, user: string): Promise<StandIn[]> {
  return await tx.query<StandIn>(
    `update approvals.stand_ins set revoked_at = clock_timestamp()
      where user_id = $1 and revoked_at is null and ends_at > clock_timestamp() returning ${COLUMNS}`,
    [user],
  )
}

/** Those that are not over, with the user on either side. */
export async function listStandIns(database: Queryable, user: string): Promise<StandIn[]> {
  return await database.query<StandIn>(
    `select ${COLUMNS} from approvals.stand_ins
      where $1 in (user_id, stand_in) and revoked_at is null and ends_at > clock_timestamp() order by ends_at, id`,
    [user],
  )
}

/** Those that hold now: who stands in for the user, or for whom the user stands in. */
export async function standInsNow(database: Queryable, of: { user: string } | { standIn: string }): Promise<StandIn[]> {
  const { user = null, standIn = null } = of as { [name: string]: string }
  return await database.query<StandIn>(
    `select ${COLUMNS} from approvals.stand_ins
      where ${HOLDS} and ($1::text is null or user_id = $1) and ($2::text is null or stand_in = $2) order by ends_at, id`,
    [user, standIn],
  )
}
