import { preparsePolicySet } from "@cedar-policy/cedar-wasm/nodejs"
import { fingerprint } from "#kernel"
import type { Policy } from "./policy-set.ts"

/** Puts policies under a name in the engine, in place of what had it. Throws when they cannot be parsed. */
type Prepare = (name: string, policies: Record<string, string>) => void

/** Names of prepared policy sets. */
export interface Slots {
  /** The engine's name for these policies, prepared on first use. Good until the next call, not longer. */
  nameOf(policies: readonly Policy[]): string
  /** Names ever given to the engine. */
  readonly count: number
}

type Bounds = {
  maxSlots: number /** Policies held prepared in all slots together; about 4 kB each. */
  maxPolicies: number
}
type Held = { name: string; size: number }

/**
 * Prepared sets stay in the engine for good: there is no call to remove one. So names are few and used again, the least
 * recently used first, and a name that is given up is overwritten with nothing, which is what frees its memory.
 */
export function createSlots(prepare: Prepare = prepareInCedar, bounds: Partial<Bounds> = {}): Slots {
  const { maxSlots, maxPolicies } = { maxSlots: 256, maxPolicies: 20_000, ...bounds }
  const held = new Map<string, Held>()
  const free: string[] = []
  let count = 0
  let size = 0

  const giveUpOldest = () => {
    const [key, oldest] = held.entries().next().value!
    held.delete(key)
    prepare(oldest.name, {})
    free.push(oldest.name)
    size -= oldest.size
  }
  const nextName = () => {
    count += 1
    return `slot-${count}`
  }

  return {
    nameOf(policies) {
      const key = keyOf(policies)
      const known = held.get(key)
      if (known !== undefined) {
        held.delete(key)
        held.set(key, known)
        return known.name
      }
      while (held.size > 0 && (held.size >= maxSlots || size + policies.length > maxPolicies)) giveUpOldest()
      const name = free.pop() ?? nextName()
      try {
        prepare(name, Object.fromEntries(policies.map(({ id, text }) => [id, text])))
      } catch (error) {
        free.push(name)
        throw error
      }
      held.set(key, { name, size: policies.length })
      size += policies.length
      return name
    },
    get count() {
      return count
    },
  }
}

const keys = new WeakMap<readonly Policy[], string>()

function keyOf(policies: readonly Policy[]): string {
  const known = keys.get(policies) ?? fingerprint(JSON.stringify(policies.map(({ id, text }) => [id, text])))
  keys.set(policies, known)
  return known
}

function prepareInCedar(name: string, policies: Record<string, string>): void {
  const answer = preparsePolicySet(name, { staticPolicies: policies })
  if (answer.type === "failure") throw new Error(`cedar: ${answer.errors[0]?.message}`)
}
