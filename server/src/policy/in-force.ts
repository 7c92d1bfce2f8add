import type { Audit, Change } from "#audit"
import { bumpEpoch, canonical, type Database, type Epoch, type Json, type Log, Refusal } from "#kernel"
import { type Changes, openChanges } from "./changes/changes.ts"
import { type Decision, decide } from "./decide.ts"
import type { Document } from "./diff.ts"
import { parse } from "./parse.ts"
import type { PolicyFile, PolicySet } from "./policy-set.ts"
import type { Question } from "./question.ts"
import { lockInForce, readDigestInForce, readInForce, readStampInForce, type Version, writeVersion } from "./store.ts"

/** The policy room. What is in force is in memory, at most as old as the epoch. */
export interface Policy {
  /** Throws `policy-broken` when what is in force does not load. Without any version everything is denied. */
  decide(question: Question): Decision
  /** The policies in force; an empty set before the first version. Throws `policy-broken`. */
  inForce(): PolicySet
  /** The whole document in force; null before the first. Throws `policy-broken`. */
  version(): Version | null
  /**
   * Puts a document in force. `set` is what parse() made of the document: nothing unparsed can be applied.
   * `by` is the SPIFFE ID of who does. With `expected`, the digest that has to be in force until then (null: none), its
   * work throws `idempotency-conflict` when another one is. One at a time: what is joined after it waits its turn too.
   */
  replace(document: Document, set: PolicySet, by: string, expected?: string | null): Change<Version>
  /** What waits for a second operator. */
  readonly changes: Changes
}

/** `audit` is not used: replacing is a Change that the gate commits together with other rooms' parts. */
export type PolicyParts = { database: Database; audit: Audit; epoch: Epoch; log: Log }

type Loaded = { version: Version | null; set: PolicySet }

/** Loads the version in force and follows the epoch. A version that does not load leaves a room that refuses, not an error. */
export async function openPolicy({ database, epoch, log }: PolicyParts): Promise<Policy> {
  // Before what it is of: what is altered in between is read again, never missed.
  let stamp = await readStampInForce(database)
  let held: Loaded | Refusal = await load(database, log)

  epoch.onChange(async () => {
    const now = await readStampInForce(database)
    if (!(held instanceof Refusal) && now === stamp) return
    held = await load(database, log)
    stamp = now
  })

  const loaded = (): Loaded => {
    if (held instanceof Refusal) throw held
    return held
  }

  return {
    decide(question) {
      const decision = decide(loaded().set, question)
      if (decision.errors.length > 0) log.error("a question could not be evaluated", { errors: decision.errors })
      return decision
    },
    changes: openChanges(database),
    inForce: () => loaded().set,
    version: () => loaded().version,
    replace(document, set, by, expected) {
      if (!isMadeOf(set, document)) {
        throw new TypeError("the policy set was not made of this document's policies")
      }
      return {
        async work(tx) {
          await lockInForce(tx)
          if (expected !== undefined && (await readDigestInForce(tx)) !== expected) throw changed()
          const version = await writeVersion(tx, document, by)
          await bumpEpoch(tx)
          return version
        },
        entries: (version) => [
          { event: "policy.applied", by, data: { digest: version.digest, policies: set.policies.length } },
        ],
      }
    },
  }
}

function isMadeOf({ files, vocabulary, entities }: PolicySet, document: Document): boolean {
  const same = (given: readonly PolicyFile[] = [], parsed: readonly PolicyFile[]) =>
    canonical(given as unknown as Json) === canonical(parsed as unknown as Json)
  return (
    same(document.policies, files) &&
    same(document.schemas, vocabulary.files) &&
    same(document.entities, entities.files)
  )
}

function changed(): Refusal {
  const what = "Another version was applied since the difference was shown. Look again."
  return new Refusal("idempotency-conflict", what)
}

/** The version in force as the database has it now, for whoever only looks. Throws `policy-broken`. */
export async function readVersion(database: Database, log: Log): Promise<Version | null> {
  const loaded = await load(database, log)
  if (loaded instanceof Refusal) throw loaded
  return loaded.version
}

/** What does not load is kept as the refusal that every decision then gets; an unreachable database still throws. */
async function load(database: Database, log: Log): Promise<Loaded | Refusal> {
  try {
    const version = await readInForce(database)
    return { version, set: parse(version?.document.policies ?? [], version?.digest ?? null, version?.document) }
  } catch (cause) {
    if (cause instanceof Refusal && cause.code === "store-unavailable") throw cause
    log.error("the policy in force does not load; nothing is allowed", { error: cause })
    return new Refusal("policy-broken", "The policy in force does not load, so nothing is allowed. Apply a good one.", {
      cause,
    })
  }
}
