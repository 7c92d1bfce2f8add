import type { Change, Draft } from "#audit"
import { type Json, Refusal } from "#kernel"
import type { Account, Evidence } from "./engine.ts"
import { draftOf, hasEnded, isTheirs, type Lease, type Whose } from "./lease.ts"
import { pause, type Room, within } from "./room.ts"
import { claim, claimAll, countFailure, end, lockLedger, readLease, readOpen } from "./store.ts"

/** How a revocation stands when its caller goes on: cut, or not yet and still being tried. */
export type Cut = { lease: string; resource: string; isCut: boolean; evidence: Evidence | null }

/** Revocations under way on this server, by lease. */
export type Revocations = Map<string, Revocation>
/** One of them; `ended` never rejects. */
export type Revocation = { cut: Promise<Cut>; ended: Promise<void> }

/** A read-back this long after the drop is the one that counts: a login under way may still have become a connection. */
const READ_BACK_MS = 250
/** Failed tries until an operator is called; trying goes on. */
const STUCK_AFTER = 6
const LEAST_BACKOFF_MS = 250
const MOST_BACKOFF_MS = 5_000
/** How long taking away waits to hear from our database. */
const STORE_MS = 1_000

/** Takes one lease away. Resolves when it is cut, or when the first try failed; goes on to `revoked` by itself. */
export async function revoke(room: Room, leaseId: string, why: string, by = "server"): Promise<Cut> {
  const known = room.memory.get(leaseId)
  if (known) return await begin(room, known, { why, by }).cut
  const lease = await readLease(room.database, leaseId)
  if (lease === null) throw new Refusal("lease-unknown", "There is no such lease.")
  if (hasEnded(lease))
    return { lease: lease.id, resource: lease.resource, isCut: true, evidence: lease.evidence as Evidence }
  return await begin(room, lease, { why, by }).cut
}

/** Takes all of their leases away, those of other servers too; without our database, those that this server knows. */
export async function revokeAll(room: Room, whose: Whose, why: string, by = "server"): Promise<Cut[]> {
  const known = heldBy(room, whose).map((lease) => begin(room, lease, { why, by }))
  // Each is claimed by itself: many rows locked outside of a commit could wait for a commit that waits for them. Those that
  // the session's end marked are claimed. Found late, after the caller went on, they are taken away all the same.
  const finding = readOpen(room.database, whose).then((rows) =>
    rows.map((lease) => begin(room, lease, { why, by, isClaimed: lease.state === "revoking" })),
  )
  const found = (await within(STORE_MS, finding)) ?? []
  return await Promise.all([...new Set([...known, ...found])].map(({ cut }) => cut))
}

/** Begins to take away what this server holds, from memory alone: waits for nothing, neither our database nor the cut. */
export function beginHeld(room: Room, whose: Whose, why: string, by = "server"): void {
  for (const lease of heldBy(room, whose)) begin(room, lease, { why, by })
}

function heldBy(room: Room, whose: Whose): Lease[] {
  return room.memory.all().filter((lease) => isTheirs(lease, whose))
}

/** The change that marks their leases as being taken away: no intent slips past it, none is confirmed. */
export function marking(whose: Whose, why: string): Change<void> {
  return {
    async work(tx) {
      await lockLedger(tx)
      await claimAll(tx, whose, why)
    },
    entries: () => [],
  }
}

/** The lease when nothing of it is left. Throws `not-ready` when the room closes first. */
export async function settled(room: Room, leaseId: string): Promise<Lease> {
  for (;;) {
    await room.revocations.get(leaseId)?.ended
    const lease = await readLease(room.database, leaseId)
    if (lease === null) throw new Refusal("lease-unknown", "There is no such lease.")
    if (hasEnded(lease)) return lease
    await pause(room, 20).catch(() => {
      throw new Refusal("not-ready", "This server is closing.")
    })
  }
}

/** Why a lease ends, by whom, and whether its row says already that this server takes it away. */
export type Ending = { why: string; by?: string; isClaimed?: boolean }

/** Starts taking a lease away, or joins who does it on this server already. Never waits, never throws. */
export function begin(room: Room, lease: Lease, ending: Ending): Revocation {
  const under = room.revocations.get(lease.id)
  if (under) return under
  const cut = Promise.withResolvers<Cut>()
  const ended = run(room, lease, ending, cut.resolve)
    .catch((error: unknown) => {
      if (!room.closing.aborted) room.log.error("a revocation broke off", { lease: lease.id, error })
    })
    .finally(() => {
      room.revocations.delete(lease.id)
      cut.resolve({ lease: lease.id, resource: lease.resource, isCut: false, evidence: null })
    })
  const revocation = { cut: cut.promise, ended }
  room.revocations.set(lease.id, revocation)
  return revocation
}

async function run(room: Room, lease: Lease, ending: Ending, onCut: (cut: Cut) => void): Promise<void> {
  // The cut does not wait for our database.
  const claimed = ending.isClaimed ? Promise.resolve(true) : claimFor(room, lease, ending.why)
  // A role that is being made this moment would be missed.
  await room.issuing.get(lease.id)?.catch(() => undefined)
  const told = (evidence: Evidence | null) =>
    onCut({ lease: lease.id, resource: lease.resource, isCut: evidence !== null, evidence })
  const evidence = await persist(
    room,
    lease,
    () => told(null),
    () => takeAway(room, lease, () => told(null)),
  )
  // A crash here leaves a cut that nobody was told of: the ledger has the lease open, and the sweep or the comparison with
  // the resource ends it.
  if ((await within(STORE_MS, claimed)) !== true) await journalCut(room, lease, ending, evidence)
  told(evidence)
  // A crash here leaves `revoking` with an account that is gone: the sweep claims it again, and missing is success.
  await persist(
    room,
    lease,
    () => undefined,
    () => readBackUntilEmpty(room, lease, evidence),
  )
  await record(room, lease, ending, evidence)
  room.memory.forget(lease.id)
  if (evidence.oid !== null) room.watch.add(lease, { name: lease.roleName, oid: evidence.oid })
}

/** Other servers' sweeps leave a claimed lease to us for a while, and take it up when we fall silent. */
async function claimFor(room: Room, lease: Lease, why: string): Promise<boolean> {
  try {
    await claim(room.database, lease.id, why)
    return true
  } catch (error) {
    room.log.warn("a lease is taken away without a record for now", { lease: lease.id, error })
    return false
  }
}

/** What our database was not told, a file of this machine is: who had the lease cut, why, when and how. */
async function journalCut(room: Room, lease: Lease, { why, by }: Ending, evidence: Evidence): Promise<void> {
  const draft = draftOf(lease, "credentials.cut-journalled", { ...(by && { by }), data: { why, evidence } })
  try {
    await room.journal({ draft: draft as unknown as { [name: string]: Json }, command: null })
  } catch (error) {
    room.log.error("a lease was cut, and this is written down nowhere yet", { lease: lease.id, why, error })
  }
}

async function takeAway(room: Room, lease: Lease, onWait: () => void): Promise<Evidence> {
  const desk = await room.desks.at({ name: lease.resource, part: lease.part })
  return await desk.take((engine) => engine.revoke(accountOf(room, lease)), onWait)
}

/** Resolves with the first read-back that is empty and late enough; what it finds before, it takes away again. */
async function readBackUntilEmpty(room: Room, lease: Lease, evidence: Evidence): Promise<void> {
  const desk = await room.desks.at({ name: lease.resource, part: lease.part })
  const account: Account = { name: lease.roleName, oid: evidence.oid }
  for (;;) {
    await pause(room, READ_BACK_MS)
    const [trace] = await desk.take((engine) => engine.readBack([account]))
    if (!trace!.hasAccount && trace!.connections === 0) return
    const again = await desk.take((engine) => engine.revoke(account))
    evidence.connectionsClosed += again.connectionsClosed
  }
}

/** Tries until it works: after seconds, not hours, and never giving up. The sixth failure calls an operator. */
async function persist<T>(room: Room, lease: Lease, onFailure: () => void, work: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work()
    } catch (error) {
      if (room.closing.aborted) throw error
      onFailure()
      room.log.warn("a lease could not be taken away; trying again", { lease: lease.id, failures, error })
      await recordFailure(room, lease, failures)
      await pause(room, Math.min(LEAST_BACKOFF_MS * 2 ** (failures - 1), MOST_BACKOFF_MS))
    }
  }
}

async function recordFailure(room: Room, lease: Lease, failures: number): Promise<void> {
  if (failures === STUCK_AFTER) room.log.error("a lease is stuck: its account may still work", { lease: lease.id })
  const change = room.audit.commit({
    work: (tx) => countFailure(tx, lease.id, STUCK_AFTER),
    entries: (row) =>
      row?.isNew ? [draftOf(lease, "credentials.lease-stuck", { data: { attempts: row.attempts } })] : [],
  })
  await within(STORE_MS, change).catch((error: unknown) =>
    room.log.warn("a failed revocation is not recorded", { lease: lease.id, error }),
  )
}

/** Writes the end, as soon as the log takes it: the cut was made, only the record waits. */
async function record(room: Room, lease: Lease, { why, by = "server" }: Ending, evidence: Evidence): Promise<void> {
  const read = { ...evidence, readBackAtMs: room.clock.nowMs() }
  for (let waitMs = LEAST_BACKOFF_MS; ; waitMs = Math.min(waitMs * 2, MOST_BACKOFF_MS)) {
    try {
      await room.audit.commit({
        work: (tx) => end(tx, lease.id, { why, evidence: read }),
        // Null: another server was first, and recorded it.
        entries: (row) => (row === null ? [] : [endDraft(row, { by, beginEntry: lease.beginEntry, evidence: read })]),
      })
      return
    } catch (error) {
      if (room.closing.aborted) throw error
      room.log.warn("the end of a lease is not recorded yet", { lease: lease.id, error })
      await pause(room, waitMs)
    }
  }
}

type End = { by: string; beginEntry: string | null; evidence: { [name: string]: Json } }

function endDraft(lease: Lease, { by, beginEntry, evidence }: End): Draft {
  const data = { why: lease.ending, evidence }
  if (lease.ending === "expired") return draftOf(lease, "credentials.lease-expired", { by, data })
  // One whose confirmation was recorded, and only its answer lost, did not fail: it was issued, and is taken back.
  const hasFailed = lease.ending === "not-issued" && lease.liveAt === null
  if (!hasFailed) return draftOf(lease, "credentials.lease-revoked", { by, data })
  const draft = draftOf(lease, "credentials.lease-failed", { by, data })
  return beginEntry === null ? draft : { ...draft, of: beginEntry }
}

function accountOf(room: Room, lease: Lease): Account {
  return { name: lease.roleName, oid: (room.memory.get(lease.id) ?? lease).roleOid }
}
