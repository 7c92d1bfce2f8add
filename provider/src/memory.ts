import { type Adapter, type AdapterPayload, errors } from "oidc-provider"

/** Everything that a provider remembers: gone with its process. */
export type Memory = {
  /** What oidc-provider keeps one kind of thing in. */
  adapterOf(kind: string): Adapter
  /** Sign-ins of one person that have not ended, by their ids. */
  sessionsOf(sub: string): string[]
}

type Kept = { payload: AdapterPayload; expiresAtMs: number }

/** Looks for what has expired once in so many writes. */
const SWEEP_EVERY = 500

/** An empty memory. What may be used once is taken once, also by requests that run at the same time. */
export function openMemory(): Memory {
  const kinds = new Map<string, Map<string, Kept>>()
  const kindOf = (kind: string) => {
    const kept = kinds.get(kind) ?? new Map<string, Kept>()
    kinds.set(kind, kept)
    return kept
  }
  return {
    adapterOf: (kind) => adapter(kind, kindOf(kind)),
    sessionsOf: (sub) =>
      [...kindOf("Session")].filter(([, kept]) => isLive(kept) && kept.payload.accountId === sub).map(([id]) => id),
  }
}

function adapter(kind: string, kept: Map<string, Kept>): Adapter {
  const live = (id: string) => {
    const found = kept.get(id)
    return found !== undefined && isLive(found) ? found : undefined
  }
  const by = (member: "uid" | "userCode", value: string) =>
    kept.values().find((each) => isLive(each) && each.payload[member] === value)?.payload
  let writes = 0
  return {
    async upsert(id, payload, expiresIn) {
      // oidc-provider looks first and writes then: of two requests with one `jti`, both would have seen nothing.
      if (kind === "ReplayDetection" && live(id) !== undefined) throw new errors.InvalidRequest("used before")
      const lifeMs = expiresIn === undefined ? Number.POSITIVE_INFINITY : expiresIn * 1000
      kept.set(id, { payload, expiresAtMs: Date.now() + lifeMs })
      writes += 1
      if (writes % SWEEP_EVERY === 0) for (const [old, each] of kept) if (!isLive(each)) kept.delete(old)
    },
    async find(id) {
      return live(id)?.payload
    },
    async findByUid(uid) {
      return by("uid", uid)
    },
    async findByUserCode(userCode) {
      return by("userCode", userCode)
    },
    async consume(id) {
      const found = live(id)
      if (found === undefined || found.payload.consumed !== undefined) throw new errors.InvalidGrant("used before")
      found.payload.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id) {
      kept.delete(id)
    },
    async revokeByGrantId(grantId) {
      for (const [id, { payload }] of kept) if (payload.grantId === grantId) kept.delete(id)
    },
  }
}

function isLive({ expiresAtMs }: Kept): boolean {
  return Date.now() < expiresAtMs
}
