import type { Change } from "#audit"
import { type Id, newId, Refusal } from "#kernel"
import { readSigningRequest } from "../csr.ts"
import { refuseUnlessActive } from "../directory.ts"
import { answer, type Enrolment, type EnrolParts, issuedDraft, leafRow } from "../enrol.ts"
import type { OperatorRole } from "../principal.ts"
import { spiffeIdOf } from "../spiffe-id.ts"
import { bumpRevision, findInstance, insertInstance, insertSvid, lock } from "../store.ts"
import { signInOver } from "./over.ts"
import {
  findOperatorOf,
  type Grounds,
  insertOperatorOf,
  insertSignIn,
  readSignIns,
  type SignedInOperator,
} from "./store.ts"

/** Longest that an operator acts by one sign-in. */
export const SIGN_IN_SECONDS = 8 * 3_600

/** What came of a sign-in at the moment in which it is used up. */
export type Proven = Grounds & {
  roles: OperatorRole[]
  providerSession: string | null
  /** False when this key used it up before: the answer may have been lost. */
  isFirst: boolean
}

/** Somebody who signed in, and the key that is to act for them. */
export type OperatorSignIn = {
  csr: string
  user: Id<"user">
  /** Name of the provider: how the operator's own name begins. */
  provider: string
  signedInAtMs: number
  /**
   * Uses the sign-in up for a key, and says what it is worth by the configuration in force. Its work runs with the registry
   * locked: what a configuration takes away while this happens is taken away afterwards.
   */
  proving: (keyThumbprint: string) => Change<Proven>
}

/** What operators who sign in are called: the provider, and a part of the random id that stands for the person. */
export function operatorName(provider: string, user: Id<"user">): string {
  return `${provider.slice(0, 40)}.${user.slice(-12)}`
}

/**
 * A sign-in and a signing request become an instance with its first SVID, in one committed change. No SVID of it outlives the
 * sign-in. The same sign-in with the same key, while it can be used, is the same instance and another SVID. Throws `csr-invalid`,
 * `key-already-enrolled`, `agent-retired`, `svid-expired`, and what the proof throws.
 */
export async function signIn(parts: EnrolParts, request: OperatorSignIn): Promise<Enrolment> {
  const { spki, keyThumbprint } = readSigningRequest(request.csr)
  const { user, provider, signedInAtMs } = request
  const name = operatorName(provider, user)
  const spiffeId = spiffeIdOf(parts.trustDomain, "operator", name)
  const untilMs = signedInAtMs + SIGN_IN_SECONDS * 1_000
  if (untilMs <= parts.clock.nowMs()) throw signInOver(untilMs)
  const leaf = parts.authority.issue({ spki, spiffeId, untilMs })
  const proving = request.proving(keyThumbprint)
  const { result } = await parts.audit.commit({
    async work(tx) {
      await lock(tx, "registry")
      const proven = await proving.work!(tx)
      const there = await findOperatorOf(tx, user, name)
      if (there !== null) refuseUnlessActive(there.state, `The operator ${there.name}`)
      const operator: SignedInOperator = there ?? { id: newId("operator"), name, state: "active" }
      if (there === null) await insertOperatorOf(tx, { id: operator.id, name, user })
      const instance = proven.isFirst ? newId("instance") : await enrolledBefore(tx, keyThumbprint)
      if (proven.isFirst) {
        const row = { id: instance, kind: "operator", owner: operator.id, name, keyThumbprint, spki } as const
        if (!(await insertInstance(tx, row))) {
          throw new Refusal("key-already-enrolled", "This key is enrolled already. Make a new key and sign in again.")
        }
        if (!(await insertSignIn(tx, { ...proven, instance, signedInAtMs, untilMs }))) throw signInOver(untilMs)
        await bumpRevision(tx)
      }
      await insertSvid(tx, { ...leafRow(leaf), instance, spiffeId })
      return { proven, operator, isKnown: there !== null, instance }
    },
    entries({ proven, operator: { id }, isKnown, instance }) {
      const issued = issuedDraft({ kind: "operator", name, instance }, spiffeId, leaf, {})
      if (!proven.isFirst) return [...proving.entries(proven), issued]
      const { roles, claim, values } = proven
      const until = new Date(untilMs).toISOString()
      const about = { by: spiffeId, user }
      const registered = { event: "agents.operator-registered", ...about, data: { operator: name, id, roles: [] } }
      const data = { operator: name, id, provider, roles, claim, instance, keyThumbprint, until }
      const signedIn = { event: "agents.operator-signed-in", ...about, data, personal: { values } }
      return [...proving.entries(proven), ...(isKnown ? [] : [registered]), signedIn, issued]
    },
  })
  // A crash here leaves an instance whose holder never got its SVID; it asks again with the same code and key.
  return answer(parts, { kind: "operator", name, instance: result.instance }, spiffeId, leaf)
}

async function enrolledBefore(tx: Parameters<typeof readSignIns>[0], keyThumbprint: string): Promise<Id<"instance">> {
  const [before] = await readSignIns(tx, { keyThumbprint })
  if (before !== undefined) return before.instance
  const isRevoked = (await findInstance(tx, keyThumbprint)) !== null
  throw new Refusal("grant-invalid", isRevoked ? "This sign-in is over. Sign in again." : "Sign in again.")
}
