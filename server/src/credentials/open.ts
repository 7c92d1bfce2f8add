import type { Audit, Change, Recorded } from "#audit"
import { type Clock, type Database, deploymentId, type Epoch, type Keyring, type Log, type Owing } from "#kernel"
import { createDesks } from "./desks.ts"
import type { EngineKind, LookUp, Root } from "./engine.ts"
import { readResources } from "./in-force/store.ts"
import { type Intended, type Intention, intend } from "./intend.ts"
import { type Issued, issue } from "./issue.ts"
import type { Lease, LeaseFilter, Whose } from "./lease.ts"
import { type LookedUp, lookUp } from "./look-up.ts"
import { createMemory } from "./memory.ts"
import type { ResourcesPart } from "./part.ts"
import { reconcile } from "./reconcile.ts"
import { renew } from "./renew.ts"
import { parseResources, type Replaced, replaceResources } from "./resources.ts"
import { beginHeld, type Cut, marking, revoke, revokeAll, settled } from "./revoke.ts"
import { everyFew, type Room } from "./room.ts"
import { type Configured, configure, recoverRoots } from "./roots.ts"
import { due, recall, sweep } from "./sweep.ts"
import { getLease, lastActive, listResources, type ResourceView, searchLeases } from "./views.ts"
import { createWatch, resumeWatch } from "./watch.ts"

/** The room's door. */
export interface Credentials extends AsyncDisposable {
  /** Records a lease before anything is made: see intend.ts for what its work refuses. */
  intend(intention: Intention): Change<Intended>
  /** Makes what was intended, once the intent is durable; `intent` is its entry. */
  issue(lease: Intended, intent?: Pick<Recorded, "id">): Promise<Issued>
  /** Looks values up as the session would see them; nobody is handed what it is done with. See look-up.ts. */
  lookUp(asked: LookedUp): Promise<readonly LookUp[]>
  /** Lets a live lease end later, never past its hard end. Throws `lease-ended`, `resource-unavailable`. */
  renew(leaseId: string, until: Date, by?: string): Promise<Lease>
  /** Takes a lease away. Resolves when it is cut or the first try failed; goes on to `revoked` by itself. Throws `lease-unknown`. */
  revoke(leaseId: string, why: string, by?: string): Promise<Cut>
  /** Takes every lease of the session, and of all beneath it, away, also when our database is gone. Resolves as revoke() does. */
  revokeSession(session: string, why: string, by?: string): Promise<Cut[]>
  /** The same for all of theirs, also those whose sessions another server has ended, and is still taking away. */
  revokeAll(whose: Whose, why: string, by?: string): Promise<Cut[]>
  /**
   * The change that marks leases as being taken away, to be joined with what ends their session or stops their agent. Whoever
   * commits it calls revokeSession(); when that never happens, some server's sweep takes them away within seconds.
   */
  marking(whose: Whose, why: string): Change<void>
  /** Begins at once to take away what this server holds of a session or an agent; waits for nothing and never throws. */
  beginHeld(whose: Whose, why: string, by?: string): void
  /** A lease that this server holds in memory, without our database; null for any other. */
  held(leaseId: string): Lease | null
  /** The leases of a session that this server holds in memory. */
  heldOf(session: string): Lease[]
  /** The lease in its final state. */
  settled(leaseId: string): Promise<Lease>
  /** Throws `lease-unknown`. */
  lease(leaseId: string): Promise<Lease>
  leases(filter: LeaseFilter): Promise<Lease[]>
  /** When a credential of the session was last used at its resource; null when never seen. */
  lastActive(session: string): Promise<Date | null>
  resources(): Promise<ResourceView[]>
  /** Takes over the account that credentials are made with (roots.ts). */
  configure(resource: string, root: Root, by: string): Promise<Configured>
  /** Checks the `resources` part of safeconduct.yaml. Throws `policy-invalid`. */
  parse(document: unknown): ResourcesPart
  /** The change that puts resources in force. Refuses to remove or move one with open leases. */
  replace(resources: ResourcesPart, by: string): Change<Replaced>
  /** The resources in force. */
  current(): ResourcesPart
  /** Compares every resource with the ledger now; runs by itself every few seconds. */
  reconcile(): Promise<void>
}

/** What the room stands on. */
export type CredentialsParts = {
  database: Database
  audit: Audit
  epoch: Epoch
  keyring: Keyring
  clock: Clock
  log: Log
  engines: readonly EngineKind[]
  /** Takes in writing, durably, what our database cannot be told of a lease that was cut; kept nowhere unless told. */
  journal?: (owing: Owing) => Promise<unknown>
  sweepMs?: number
  reconcileMs?: number
}

const WATCH_MS = 500

/** Opens the room, takes up what other servers or an earlier run left, and keeps doing so. Throws `not-ready`. */
export async function openCredentials(parts: CredentialsParts): Promise<Credentials> {
  const { database, audit, epoch, keyring, clock, log, engines: kinds } = parts
  const sweepMs = parts.sweepMs ?? 100
  const reconcileMs = parts.reconcileMs ?? 5_000
  const stop = new AbortController()
  const room: Room = {
    database,
    audit,
    keyring,
    clock,
    log,
    kinds,
    deployment: await deploymentId(database),
    resources: {},
    desks: createDesks({ database, keyring, kinds, log, closing: stop.signal }),
    memory: createMemory((lease) => {
      due(room, lease).catch((error: unknown) => {
        // The sweep comes by within sweepMs and finds the same lease due.
        log.warn("a lease whose time is over is left to the sweep", { lease: lease.id, error })
      })
    }),
    watch: createWatch(),
    revocations: new Map(),
    issuing: new Map(),
    journal: parts.journal ?? (async () => undefined),
    closing: stop.signal,
  }
  const takeIn = async () => {
    const resources = await readResources(database)
    room.resources = Object.fromEntries(resources.map(({ name, part }) => [name, part]))
    await room.desks.keep(resources)
  }
  await takeIn()
  epoch.onChange(takeIn)
  await recoverRoots(room)
  await recall(room)
  await resumeWatch(room)
  // One round after another on this server: two at once would both find, and both record, the same orphan.
  let comparing: Promise<void> = Promise.resolve()
  const compareAll = (everyMs: number) => {
    const round = comparing.then(() => reconcile(room, everyMs))
    comparing = round.catch(() => undefined)
    return round
  }
  const running = [
    everyFew(room, sweepMs, "the sweep", () => sweep(room)),
    everyFew(room, WATCH_MS, "the watch for late connections", () => room.watch.look(room)),
    everyFew(room, reconcileMs, "the comparison with the ledger", async () => {
      await recoverRoots(room)
      await compareAll(reconcileMs)
    }),
  ]
  return {
    intend: (intention) => intend(room, intention),
    issue: (lease, intent) => issue(room, lease, intent),
    lookUp: (asked) => lookUp(room, asked),
    renew: (leaseId, until, by) => renew(room, leaseId, until, by),
    revoke: (leaseId, why, by) => revoke(room, leaseId, why, by),
    revokeSession: (session, why, by) => revokeAll(room, { session }, why, by),
    revokeAll: (whose, why, by) => revokeAll(room, whose, why, by),
    marking,
    beginHeld: (whose, why, by) => beginHeld(room, whose, why, by),
    held: (leaseId) => room.memory.get(leaseId) ?? null,
    heldOf: (session) => room.memory.ofSession(session),
    settled: (leaseId) => settled(room, leaseId),
    lease: (leaseId) => getLease(room, leaseId),
    leases: (filter) => searchLeases(room, filter),
    lastActive: (session) => lastActive(room, session),
    resources: () => listResources(room),
    configure: (resource, root, by) => configure(room, resource, root, by),
    parse: (document) => parseResources(kinds, document),
    replace: (resources, by) => replaceResources(resources, by),
    current: () => room.resources,
    reconcile: () => compareAll(0),
    async [Symbol.asyncDispose]() {
      stop.abort()
      room.memory[Symbol.dispose]()
      await Promise.allSettled([...running, ...room.issuing.values()])
      await Promise.allSettled([...room.revocations.values()].map(({ ended }) => ended))
      await room.desks[Symbol.asyncDispose]()
    },
  }
}
