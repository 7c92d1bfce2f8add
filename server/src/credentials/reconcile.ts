import type { Draft } from "#audit"
import { type Json, refusalCode } from "#kernel"
import type { Desk } from "./desks.ts"
import type { Account } from "./engine.ts"
import { beginRound } from "./in-force/store.ts"
import { draftOf, hasEnded, type Lease } from "./lease.ts"
import { givesCredentials, type Resource } from "./part.ts"
import { begin } from "./revoke.ts"
import { cannotRecord, type Room, within } from "./room.ts"
import { noteActivity, readByRoles, readLive } from "./store.ts"

/** How long removing an orphan waits for the log. */
const STORE_MS = 1_000

/**
 * Compares every resource with the ledger, one server at a time: an account of ours without an open lease is recorded
 * and removed, a live lease without its account is ended, live leases learn when they were last used, and the resource
 * forgets whose the leases were that are long gone.
 */
export async function reconcile(room: Room, everyMs: number): Promise<void> {
  for (const [name, part] of Object.entries(room.resources)) {
    if (!givesCredentials(part)) continue
    try {
      const desk = await room.desks.at({ name, part })
      if (await beginRound(room.database, name, everyMs)) await compare(room, { name, part }, desk)
    } catch (error) {
      if (refusalCode(error) === "resource-not-configured") continue
      room.log.warn("a resource could not be compared with the ledger", { resource: name, error })
    }
  }
}

async function compare(room: Room, { name }: Resource, desk: Desk): Promise<void> {
  // Read before the listing: a lease that is live by now has its account by then.
  const live = (await readLive(room.database)).filter(({ resource }) => resource === name)
  const { accounts, others } = await desk.give((engine) => engine.list(room.deployment))
  // Read after the listing: an intent is durable before its account exists.
  const known = new Map(
    (await readByRoles(room.database, accounts.map(nameOf))).map((lease) => [lease.roleName, lease]),
  )
  const orphans = accounts.filter((account) => {
    const lease = known.get(account.name)
    return lease === undefined || hasEnded(lease)
  })
  for (const orphan of await still(desk, orphans)) {
    await removeOrphan(room, desk, { ...orphan, resource: name, lease: known.get(orphan.name) })
  }

  const listed = new Set(accounts.map(nameOf))
  for (const lease of live) if (!listed.has(lease.roleName)) await endWithoutAccount(room, desk, lease)

  const seen = await desk.give((engine) => engine.activity(live.map(accountOf)))
  if (seen.size > 0) await noteActivity(room.database, seen)
  await desk.give((engine) => engine.tidy())
  if (others > 0)
    room.log.debug("accounts of other deployments stand here; they are not touched", { resource: name, others })
}

/** Those that are still there: a lease may have ended, as it should, since the listing. */
async function still(desk: Desk, accounts: Account[]): Promise<Account[]> {
  if (accounts.length === 0) return []
  const traces = await desk.take((engine) => engine.readBack(accounts))
  return accounts.filter((_, at) => traces[at]!.hasAccount)
}

/** `lease` is the ended one whose account it was, where the ledger has it. */
type Orphan = Account & { resource: string; lease: Lease | undefined }

async function removeOrphan(room: Room, desk: Desk, { resource, lease, ...account }: Orphan): Promise<void> {
  room.log.error("an account stands at a resource without a lease; removing it", { resource, role: account.name })
  const draft = (event: string): Draft => {
    const about = lease === undefined ? { event, by: "server" } : draftOf(lease, event)
    return { ...about, data: { ...about.data, resource, role: account.name, oid: account.oid } }
  }
  const found = await within(
    STORE_MS,
    room.audit.commit({ entries: () => [{ ...draft("credentials.orphan-found"), deadlineSeconds: 60 }] }),
  )
  const { connectionsClosed } = await desk.take((engine) => engine.revoke(account))
  // A crash here leaves nothing at the resource, and an intent whose missing outcome audit records.
  const removed = draft("credentials.orphan-removed")
  const of = found === undefined ? {} : { of: found.entries[0]!.id }
  const told = { ...removed, ...of, data: { ...removed.data, connectionsClosed } }
  try {
    await room.audit.commit({ entries: () => [told] })
  } catch (error) {
    if (!cannotRecord(error)) throw error
    const owed = { ...told, event: "credentials.orphan-journalled" }
    await room.journal({ draft: owed as unknown as { [name: string]: Json }, command: null })
  }
}

async function endWithoutAccount(room: Room, desk: Desk, lease: Lease): Promise<void> {
  const [trace] = await desk.take((engine) => engine.readBack([accountOf(lease)]))
  if (trace!.hasAccount || room.revocations.has(lease.id)) return
  await room.audit.commit({ entries: () => [draftOf(lease, "credentials.account-missing")] })
  begin(room, lease, { why: "account-missing" })
}

function nameOf({ name }: Account): string {
  return name
}

function accountOf(lease: Lease): Account {
  return { name: lease.roleName, oid: lease.roleOid }
}
