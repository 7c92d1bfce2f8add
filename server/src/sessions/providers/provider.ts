import type { KeyObject } from "node:crypto"
import type { CustomFetch } from "openid-client"
import { type Clock, type Json, parseJson } from "#kernel"
import { guardedFetch, type Resolve, Unreachable } from "./fetch.ts"
import { type ProviderKey, pick, readKeySet } from "./key-set.ts"
import { type Metadata, metadataUrl, readMetadata } from "./metadata.ts"
import type { ProviderDefinition } from "./part.ts"
import { type Algorithm, type Profile, profileOf } from "./profiles.ts"

/** A configured provider with what was discovered of it, remembered for a while. */
export interface Provider {
  readonly name: string
  readonly definition: ProviderDefinition
  readonly profile: Profile
  /** Algorithms that its tokens may be signed with, whatever they say. */
  readonly algorithms: readonly Algorithm[]
  /** Reaches this provider only as the guard allows. */
  readonly fetch: CustomFetch
  /** An hour old at the most. Throws Unreachable. */
  metadata(): Promise<Metadata>
  /** Ten minutes old at the most; asked for anew, not too often, when there is none of that name. Throws Unreachable. */
  key(algorithm: Algorithm, kid: unknown): Promise<KeyObject | null>
}

const METADATA_MS = 3_600_000
/** A key that the provider takes away is believed so much longer. */
const KEYS_MS = 600_000
/** Between two questions that somebody's token or a failure made us ask. */
const PAUSE_MS = 5_000

/** Makes one that nothing is known of yet. */
export function openProvider(
  name: string,
  definition: ProviderDefinition,
  { clock, resolve }: { clock: Clock; resolve?: Resolve | undefined },
): Provider {
  const { issuer, network, ca } = definition
  const profile = profileOf(definition.profile)
  const fetch = guardedFetch({ network, ca, ...(resolve === undefined ? {} : { resolve }) })
  const metadata = remembered<Metadata>(clock, METADATA_MS, async () =>
    readMetadata(await fetchJson(fetch, metadataUrl(issuer)), issuer, network),
  )
  const keys = remembered<ProviderKey[]>(clock, KEYS_MS, async () =>
    readKeySet(await fetchJson(fetch, (await metadata.get()).jwks_uri)),
  )
  return {
    name,
    definition,
    profile,
    algorithms: definition.algorithms ?? profile.algorithms,
    fetch,
    metadata: metadata.get,
    async key(algorithm, kid) {
      // A key that is new there is unknown here (OpenID Connect Core §10.1.1).
      return pick(await keys.get(), algorithm, kid) ?? pick(await keys.again(), algorithm, kid)
    },
  }
}

/** GETs JSON. Throws Unreachable. */
async function fetchJson(fetch: CustomFetch, url: string): Promise<Json> {
  const headers = { accept: "application/json" }
  const response = await fetch(url, { method: "GET", headers, body: undefined, redirect: "manual" })
  if (response.status !== 200) throw new Unreachable(`the answer has status ${response.status}`)
  return parseJson(await response.text())
}

type Remembered<T> = {
  get(): Promise<T>
  /** Asks again, unless it was asked a moment ago. */
  again(): Promise<T>
}

/** One question at a time, and a moment between two; what was answered holds for so long, also where a later question fails. */
function remembered<T>(clock: Clock, maxAgeMs: number, question: () => Promise<T>): Remembered<T> {
  let held: { value: T; atMs: number } | null = null
  let asked: { answer: Promise<T>; atMs: number; isOpen: boolean } | null = null
  const isWithin = (atMs: number, ms: number) => Math.abs(clock.nowMs() - atMs) < ms
  const ask = (): Promise<T> => {
    if (asked !== null && (asked.isOpen || isWithin(asked.atMs, PAUSE_MS))) return asked.answer
    const atMs = clock.nowMs()
    const mine = { answer: settle(), atMs, isOpen: true }
    async function settle(): Promise<T> {
      try {
        const value = await question()
        held = { value, atMs }
        return value
      } catch (cause) {
        throw cause instanceof Unreachable ? cause : new Unreachable("the answer cannot be believed", { cause })
      } finally {
        mine.isOpen = false
      }
    }
    asked = mine
    return mine.answer
  }
  return { get: async () => (held !== null && isWithin(held.atMs, maxAgeMs) ? held.value : await ask()), again: ask }
}
