import type { Recorded } from "#audit"
import { Refusal, Secret } from "#kernel"
import { unavailable } from "./desks.ts"
import { APPROVAL_USED, type Credential, type Made, ResourceError, UNPREPARED } from "./engine.ts"
import type { Intended } from "./intend.ts"
import { bindingOf, draftOf, type Lease } from "./lease.ts"
import { begin } from "./revoke.ts"
import { pause, type Room } from "./room.ts"
import { claimUnmade, confirmLive, readLease } from "./store.ts"

/** A lease that is live, and what its holder connects with. */
export type Issued = { lease: Lease; credential: Secret<Credential> }

/** How long a replay waits for the server that makes the lease. */
const REPLAY_MS = 10_000

/**
 * Makes what was intended; the intent must be durable. A replay gets the credential that was made before. Throws
 * `lease-ended` when it was taken away meanwhile, `approval-used`, `resource-unavailable`, `resource-unprepared`, `resource-not-configured`,
 * `overloaded`, `store-unavailable`; then nothing is handed out, and whatever was made is being taken away.
 */
export async function issue(room: Room, lease: Intended, intent?: Pick<Recorded, "id">): Promise<Issued> {
  if (lease.isReplay) return await replay(room, lease.id)
  const begun = { ...lease, beginEntry: intent?.id ?? null }
  room.memory.remember(begun)
  const making = make(room, begun)
  room.issuing.set(lease.id, making)
  try {
    return await making
  } catch (error) {
    // Before the revocation begins, which waits for an issue under way.
    room.issuing.delete(lease.id)
    begin(room, begun, { why: "not-issued" })
    if (!(error instanceof ResourceError)) throw error
    if (error.code === APPROVAL_USED) throw used(error)
    if (error.code !== UNPREPARED) throw unavailable(lease.resource, error)
    room.log.error("a resource cannot tell whose a credential is, or what for; prepare it again", {
      resource: lease.resource,
      error,
    })
    throw unprepared(lease.resource, error)
  } finally {
    room.issuing.delete(lease.id)
  }
}

async function make(room: Room, lease: Lease): Promise<Issued> {
  const made = await makeAccount(room, lease)
  // A crash here leaves an account that nobody was given: the sweep finds its intent unconfirmed and takes it away.
  const live = await confirm(room, lease, made)
  // A crash here leaves a live lease that ends at its time; its holder asks again with the same key.
  room.memory.remember(live)
  return { lease: live, credential: made.credential }
}

/** Makes the account of an intent that is durable, and remembers it. Throws `lease-ended` when it is being taken away. */
export async function makeAccount(room: Room, lease: Lease): Promise<Made> {
  if (room.revocations.has(lease.id)) throw ended()
  const desk = await room.desks.at({ name: lease.resource, part: lease.part })
  const made = await desk.give((engine) =>
    engine.issue({
      name: lease.roleName,
      part: lease.part,
      operation: lease.operation,
      expiresAt: lease.expiresAt,
      comment: commentOf(lease),
      binding: bindingOf(lease),
    }),
  )
  room.memory.amend(lease.id, made.oid)
  return made
}

/** Everybody at the resource may read it. */
function commentOf({ id, session, agent, purpose, user, application, chain, lookup, approval }: Lease): string {
  const facts = [`safeconduct ${id} ${session} agent=${agent} purpose=${purpose}`]
  if (user !== null) facts.push(`user=${user}`)
  if (approval !== null) facts.push(`approval=${approval.id}`)
  if (lookup !== null) facts.push(`look-up=${lookup}`)
  if (application !== null) facts.push(`application=${application}`)
  if (chain.length > 0) facts.push(`chain=${chain.map((link) => link.session).join(",")}`)
  return facts.join(" ")
}

async function confirm(room: Room, lease: Lease, made: Made): Promise<Lease> {
  const sealed = room.keyring.seal(leaseContext(lease.id), JSON.stringify(made.credential.reveal()))
  const { result } = await room.audit.commit({
    work: async (tx) => {
      const row = { id: lease.id, oid: made.oid, sealed, beginEntry: lease.beginEntry }
      const live = await confirmLive(tx, row)
      if (live === null) throw ended()
      return live
    },
    entries: (live) => [
      {
        ...draftOf(live, "credentials.lease-issued", {
          data: { oid: made.oid, expiresAt: live.expiresAt.toISOString(), hardEndAt: live.hardEndAt.toISOString() },
        }),
        ...(lease.beginEntry === null ? {} : { of: lease.beginEntry }),
      },
    ],
  })
  return result
}

/** The credential of a lease that was issued before, on whichever server; waits while it is being made. */
async function replay(room: Room, id: string): Promise<Issued> {
  await room.issuing.get(id)?.catch(() => undefined)
  for (const deadline = performance.now() + REPLAY_MS; performance.now() < deadline; await pause(room, 50)) {
    const lease = await readLease(room.database, id)
    if (lease === null) continue
    if (lease.state === "intended") {
      if (room.clock.nowMs() - lease.intendedAt.getTime() >= REPLAY_MS) await giveUp(room, id)
      continue
    }
    if (lease.state !== "live" || lease.remainingMs <= 0 || lease.sealed === null) throw ended()
    const text = room.keyring.open(leaseContext(id), lease.sealed).toString()
    return { lease, credential: new Secret(JSON.parse(text) as Credential) }
  }
  throw new Refusal("overloaded", "This credential is still being made. Ask again with the same Idempotency-Key.")
}

/**
 * Takes away what nobody confirms, as the sweep would later: a server that died while it made the lease would keep its key
 * from the caller. One that is only slow finds its intent gone, and hands nothing out. The same key makes another lease.
 */
async function giveUp(room: Room, id: string): Promise<void> {
  const lease = await claimUnmade(room.database, id, REPLAY_MS)
  if (lease === null) return
  begin(room, lease, { why: "never-confirmed", isClaimed: true })
  throw new Refusal("overloaded", "Who made this credential fell silent. Ask again with the same Idempotency-Key.")
}

/** What a credential is sealed for. */
export function leaseContext(leaseId: string): string {
  return `credentials.leases/${leaseId}`
}

function unprepared(resource: string, cause: ResourceError): Refusal {
  const what = `The resource "${resource}" cannot tell whose a credential is, or what for. An operator prepares it again.`
  return new Refusal("resource-unprepared", what, { cause })
}

function used(cause: ResourceError): Refusal {
  return new Refusal("approval-used", "What was approved was done before. Ask for the action again.", { cause })
}

function ended(): Refusal {
  return new Refusal("lease-ended", "The lease ended while it was made. Ask again.")
}
