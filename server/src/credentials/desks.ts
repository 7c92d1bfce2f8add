import { setTimeout as sleep } from "node:timers/promises"
import { canonical, type Database, type Json, type Keyring, type Log, Refusal, refusalCode, Secret } from "#kernel"
import { type Engine, type EngineKind, ResourceError, type Root } from "./engine.ts"
import { type Breaker, createBreaker, createLane } from "./lanes.ts"
import type { Resource, ResourcePart } from "./part.ts"
import { type RootRow, readRoots } from "./store.ts"

/** A resource held open: its engine behind two lanes, so that issuing never delays taking away. */
export type Desk = {
  /** Issues and looks. Throws `resource-unavailable` while the breaker is open, `overloaded`. */
  give<T>(work: (engine: Engine) => Promise<T>): Promise<T>
  /** Asks something with an account that was made for it; how that goes says nothing of how issuing does. Throws as give(). */
  ask<T>(work: (engine: Engine) => Promise<T>): Promise<T>
  /** Takes away and reads back: waits its turn and, telling `onWait`, for the breaker; is never refused. */
  take<T>(work: (engine: Engine) => Promise<T>, onWait?: () => void): Promise<T>
}

/** The desks of this server, opened when first needed and kept: they work on when our database is gone. */
export interface Desks extends AsyncDisposable {
  /** Reached as the resource in force is, if that is at the same place. Throws `resource-not-configured` before a root is set. */
  at(resource: Resource): Promise<Desk>
  /** Opens an engine with a root that is not in force (yet); the caller disposes it. */
  openWith(resource: Resource, root: Root): Engine
  /** These are in force now: closes the desks of others, and those that are reached in another way. */
  keep(resources: readonly Resource[]): Promise<void>
  /** The next call opens the resource again, with the root as the database has it. */
  forget(resource: string): Promise<void>
  /** What went wrong when this server last asked something of the resource, and what to do; null when it went well. */
  problemOf(resource: string): string | null
}

type Parts = { database: Database; keyring: Keyring; kinds: readonly EngineKind[]; log: Log; closing: AbortSignal }

const GIVE = { width: 4, maxWaiting: 1_024, maxWaitMs: 5_000 }
const ASK = { width: 4, maxWaiting: 64, maxWaitMs: 2_000 }
// A revocation that is refused would be one that is forgotten. What waits is one for each open lease, which are limited.
const TAKE = { width: 4, maxWaiting: Number.POSITIVE_INFINITY, maxWaitMs: Number.POSITIVE_INFINITY }

type Held = { resource: string; engine: Engine; desk: Desk }

/** Opens nothing yet. */
export function createDesks({ database, keyring, kinds, log, closing }: Parts): Desks {
  const held = new Map<string, Promise<Held>>()
  // Roots as last read, for when our database is gone.
  const roots = new Map<string, Root>()
  // Parts in force, by name: a lease keeps the part it was made under, and the way there may have changed since.
  let inForce = new Map<string, ResourcePart>()
  const keyOf = ({ name, part }: Resource) => `${name} ${canonical(wayOf(part))}`

  const openWith = ({ name, part }: Resource, root: Root) => {
    const kind = kinds.find((each) => each.name === part.engine)
    if (kind === undefined) throw new Refusal("resource-unknown", `There is no engine "${part.engine}" here.`)
    return kind.open({ name, part }, root, log.with({ resource: name }))
  }
  const open = async (resource: Resource): Promise<Held> => {
    const root = await readRoot(resource.name)
    if (root === null) {
      throw notConfigured(resource.name)
    }
    const engine = openWith(resource, root)
    return { resource: resource.name, engine, desk: deskOf(resource.name, engine, { forget, note, closing }) }
  }
  const readRoot = async (resource: string): Promise<Root | null> => {
    try {
      const row = (await readRoots(database)).find((each) => each.resource === resource)
      if (row === undefined) return null
      roots.set(resource, openRoot(keyring, row))
    } catch (error) {
      if (refusalCode(error) !== "store-unavailable" || !roots.has(resource)) throw error
    }
    return roots.get(resource)!
  }
  const problems = new Map<string, string>()
  const note = (resource: string, error: unknown) => {
    if (error === null) problems.delete(resource)
    else if (error instanceof ResourceError) problems.set(resource, describe(error))
  }
  const close = async (key: string) => {
    const opened = held.get(key)
    held.delete(key)
    await (await opened?.catch(() => undefined))?.engine[Symbol.asyncDispose]()
  }
  async function forget(resource: string) {
    const keys = [...held.keys()].filter((key) => key.startsWith(`${resource} `))
    await Promise.all(keys.map(close))
  }
  return {
    async at({ name, part }) {
      const now = inForce.get(name)
      const resource = { name, part: now && canonical(placeOf(now)) === canonical(placeOf(part)) ? now : part }
      const key = keyOf(resource)
      let opened = held.get(key)
      if (opened === undefined) {
        opened = open(resource)
        held.set(key, opened)
        opened.catch(() => held.delete(key))
      }
      return (await opened).desk
    },
    openWith,
    async keep(resources) {
      inForce = new Map(resources.map(({ name, part }) => [name, part]))
      for (const resource of problems.keys()) if (!inForce.has(resource)) problems.delete(resource)
      const wanted = new Set(resources.map(keyOf))
      await Promise.all([...held.keys()].filter((key) => !wanted.has(key)).map(close))
    },
    forget,
    problemOf: (resource) => problems.get(resource) ?? null,
    async [Symbol.asyncDispose]() {
      await Promise.all([...held.keys()].map(close))
    },
  }
}

/** Where a resource is: its part without what may change while leases are open. */
export function placeOf(part: ResourcePart): { [name: string]: Json } {
  const { tls: _tls, ca: _ca, ...place } = wayOf(part)
  return place
}

/** Where a resource is and how it is reached: every engine says `tls` and `ca` for the latter. */
function wayOf(part: ResourcePart): { [name: string]: Json } {
  const { operations: _operations, limits: _limits, description: _description, ...way } = part
  return way
}

/** The root of a row, opened. While it is being rotated this is the old one (roots.ts finds out which works). */
export function openRoot(keyring: Keyring, row: RootRow): Root {
  return {
    username: row.username,
    password: new Secret(keyring.open(rootContext(row.resource), row.sealed).toString()),
  }
}

/** What a root's password is sealed for. */
export function rootContext(resource: string): string {
  return `credentials.roots/${resource}`
}

/** For operators; the resource's own words hold no secret. */
function describe({ message, code, isUnreachable }: ResourceError): string {
  const is = (pattern: RegExp) => code !== null && pattern.test(code)
  if (is(/^28/)) return `${message}. Give Safeconduct its account again: "safeconduct credentials postgres configure".`
  if (is(/^(42501|42704|0LP01|unprepared)/))
    return `${message}. Prepare it again: "safeconduct credentials postgres prepare".`
  return isUnreachable ? `${message}. Check that it runs, and the way to it.` : `${message}. The server's log has more.`
}

type DeskParts = {
  forget: (resource: string) => Promise<void>
  /** Told how each call went: null for well. */
  note: (resource: string, error: unknown) => void
  closing: AbortSignal
}

function deskOf(resource: string, engine: Engine, { forget, note, closing }: DeskParts): Desk {
  const attempt = async <T>(breaker: Breaker, work: (engine: Engine) => Promise<T>): Promise<T> => {
    try {
      const result = await breaker.watch(() => work(engine))
      note(resource, null)
      return result
    } catch (error) {
      note(resource, error)
      // 28: the login was refused. Another server may have changed the password: look again next time.
      if (error instanceof ResourceError && error.code?.startsWith("28")) void forget(resource)
      throw error
    }
  }
  // Breakers of their own: a resource that has no connection left to give may still have the one that takes away.
  const giving = { lane: createLane(GIVE), breaker: createBreaker() }
  const asking = { lane: createLane(ASK), breaker: createBreaker() }
  const taking = { lane: createLane(TAKE), breaker: createBreaker() }
  const inTurn = async <T>({ lane, breaker }: typeof giving, work: () => Promise<T>): Promise<T> => {
    if (breaker.waitMs() > 0) throw unavailable(resource)
    return await lane.run(() => {
      // It may have opened while this waited: nobody waits through it again and again.
      if (breaker.waitMs() > 0) throw unavailable(resource)
      return work()
    })
  }
  return {
    give: (work) => inTurn(giving, () => attempt(giving.breaker, work)),
    // Not our own login: what is wrong with it is no reason to open the resource again.
    ask: (work) => inTurn(asking, () => asking.breaker.watch(() => work(engine))),
    async take(work, onWait = () => undefined) {
      const { lane, breaker } = taking
      for (;;) {
        const turn = await lane.run(async () => {
          if (breaker.waitMs() > 0) return null
          return { result: await attempt(breaker, work) }
        })
        if (turn !== null) return turn.result
        onWait()
        await sleep(Math.max(1, breaker.waitMs()), undefined, { signal: closing, ref: false })
      }
    },
  }
}

/** The refusal for a resource where nothing can be made yet. */
export function notConfigured(resource: string): Refusal {
  const what = `Safeconduct holds no account at "${resource}" yet. An operator sets it with "credentials root".`
  return new Refusal("resource-not-configured", what)
}

/** The refusal for a resource that does not do what it should. */
export function unavailable(resource: string, cause?: unknown): Refusal {
  return new Refusal("resource-unavailable", `The resource "${resource}" does not answer as it should. Try again.`, {
    cause,
  })
}
