import { z } from "zod"
import type { Engine, EngineKind, LookUp, Question, ResourcePart } from "#credentials"
import { ResourceError } from "#credentials"
import { randomText, Secret } from "#kernel"

/** A resource of any kind, in memory: what stands there, and what it does wrong. */
export type FakeResource = {
  kind: EngineKind
  /** Names of the accounts that stand there now. */
  accounts: Map<string, string>
  /** Awaited before an account is made; throws what the resource would. */
  beforeIssue: () => Promise<void>
  /** Answers what is looked up with an account; throws as if it could not be reached until told. */
  onLookUp: (account: string, asked: Question) => Promise<LookUp[]>
}

/** A resource that refuses, as one that is shut down does. */
export function unreachable(): ResourceError {
  return new ResourceError("nobody answers", null, true)
}

/** An empty resource that does as it is told. Engines of all servers share it. */
export function fakeResource(): FakeResource {
  const accounts = new Map<string, string>()
  const resource: FakeResource = {
    kind: { name: "fake", schema: z.looseObject({}), parse, open },
    accounts,
    beforeIssue: async () => undefined,
    async onLookUp() {
      throw unreachable()
    },
  }

  function parse(part: unknown): ResourcePart {
    const limits = { leases: 100, leasesPerSession: 5 }
    return { operations: { read: {}, write: {} }, limits, ...(part as { engine: string }) }
  }
  function open(): Engine {
    return {
      async issue({ name }) {
        await resource.beforeIssue()
        const oid = randomText(8)
        accounts.set(name, oid)
        return { oid, credential: new Secret({ engine: "fake", user: name, password: randomText(26) }) }
      },
      renew: async () => undefined,
      async revoke({ name, oid }) {
        const atMs = Date.now()
        accounts.delete(name)
        return { oid, connectionsClosed: 1, cleaned: [], disabledAtMs: atMs, cutAtMs: atMs, droppedAtMs: atMs }
      },
      readBack: async (asked) =>
        asked.map(({ name, oid }) => ({ name, oid, hasAccount: accounts.has(name), connections: 0 })),
      list: async () => ({ accounts: [...accounts].map(([name, oid]) => ({ name, oid })), others: 0 }),
      async lookUp(credential, asked) {
        return await resource.onLookUp(String(credential.reveal()["user"]), asked)
      },
      activity: async () => new Map(),
      tidy: async () => undefined,
      check: async () => [],
      rotateRoot: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
  return resource
}
