import { setTimeout as sleep } from "node:timers/promises"
import { randomText } from "#kernel"
import { unavailable } from "./desks.ts"
import { type LookUp, ResourceError } from "./engine.ts"
import { type Intended, type Intention, intend } from "./intend.ts"
import { makeAccount } from "./issue.ts"
import { begin } from "./revoke.ts"
import type { Room } from "./room.ts"

/** What is looked up: for whom as for a lease, and the question with what is bound to it. */
export type LookedUp = Omit<Intention, "idempotencyKey" | "leaseSeconds" | "lookup"> & {
  /** Name of the purpose's look-up. */
  name: string
  query: string
  values: readonly string[]
}

/** From asking to the answer: somebody waits for a decision. */
const DEADLINE_MS = 2_000
/** When it falls to the sweep, should this server not take it away. */
const LEASE_SECONDS = 30

/**
 * Asks a question with an account that is made for it, as a lease of that operation would be for this session and user, with
 * the same limits and rules of rows, and is taken away at once. The answer is as of now; no agent is ever handed the account:
 * it is never live, its password is kept nowhere, and no key of a request names it. Throws what intend() does,
 * `resource-unavailable` (with no value in its cause), `overloaded`, `store-unavailable`.
 */
export async function lookUp(room: Room, asked: LookedUp): Promise<readonly LookUp[]> {
  const stop = new AbortController()
  const deadlineMs = performance.now() + DEADLINE_MS
  const asking = run(room, asked, deadlineMs)
  // What comes late is taken away all the same.
  asking.catch(() => undefined)
  const late = sleep(DEADLINE_MS, null, { signal: stop.signal, ref: false }).catch(() => null)
  try {
    const values = await Promise.race([asking, late])
    if (values === null) throw unavailable(asked.action.resource)
    return values
  } finally {
    stop.abort()
  }
}

async function run(room: Room, { name, query, values, ...asked }: LookedUp, deadlineMs: number) {
  // A space: no Idempotency-Key of a caller's has one.
  const idempotencyKey = `look-up ${randomText(26)}`
  const intention = { ...asked, idempotencyKey, leaseSeconds: LEASE_SECONDS, lookup: name }
  const { result, entries } = await room.audit.commit(intend(room, intention))
  // A crash here, or anywhere below, leaves an intent that nobody confirms: the sweep takes away what stands under its name.
  const lease = { ...result, beginEntry: entries[0]!.id }
  room.memory.remember(lease)
  let why = "not-issued"
  try {
    const made = await making(room, lease)
    why = "looked-up"
    const desk = await room.desks.at({ name: lease.resource, part: lease.part })
    return await desk.ask((engine) => {
      const withinMs = deadlineMs - performance.now()
      if (withinMs <= 0) throw unavailable(lease.resource)
      return engine.lookUp(made.credential, { query, values, withinMs })
    })
  } catch (error) {
    throw error instanceof ResourceError ? unavailable(lease.resource, error) : error
  } finally {
    begin(room, lease, { why })
  }
}

/** A revocation that begins meanwhile waits for it. */
async function making(room: Room, lease: Intended) {
  const account = makeAccount(room, lease)
  room.issuing.set(lease.id, account)
  try {
    return await account
  } finally {
    room.issuing.delete(lease.id)
  }
}
