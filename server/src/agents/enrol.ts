import type { Audit, Draft } from "#audit"
import { type Clock, type Database, newId, Refusal } from "#kernel"
import type { Authority, IssuedLeaf } from "./authority.ts"
import { readSigningRequest } from "./csr.ts"
import { refuseUnlessActive } from "./directory.ts"
import { readToken, tokenName, tokenRefusal } from "./join.ts"
import type { Principal } from "./principal.ts"
import { signInOver } from "./signed-in/over.ts"
import { signInEnd } from "./signed-in/store.ts"
import { type PrincipalKind, spiffeIdOf } from "./spiffe-id.ts"
import {
  findEnrolled,
  findInstance,
  findToken,
  insertInstance,
  insertSvid,
  lockOwner,
  noteKey,
  useToken,
} from "./store.ts"

/** What an instance needs to act: its certificate with the intermediate, and the roots to know us by. */
export type Enrolment = {
  spiffeId: string
  instance: string
  /** Leaf and intermediate, PEM. */
  svid: string
  /** Roots of the trust domain, PEM. */
  bundle: string
  trustDomain: string
  /** RFC 3339. */
  notAfter: string
}

/** What enrolment and renewal stand on. */
export type EnrolParts = { database: Database; audit: Audit; authority: Authority; trustDomain: string; clock: Clock }

/**
 * A join token and a signing request become an instance with its first SVID, in one committed change; of many at once
 * with one token, one succeeds. The same token with the same key, while the token lives, is the same instance and another
 * SVID: the answer may have been lost. Throws `csr-invalid`, `join-token-invalid`, `key-already-enrolled` (the token stays
 * usable), `agent-suspended`, `agent-retired`.
 */
export async function enrol(parts: EnrolParts, request: { token: string; csr: string }): Promise<Enrolment> {
  const { spki, keyThumbprint } = readSigningRequest(request.csr)
  const hash = readToken(request.token, parts.authority.rootDigests)
  const found = await findToken(parts.database, hash, keyThumbprint)
  if (found === null) throw tokenRefusal()
  const { kind, owner, name } = found
  const spiffeId = spiffeIdOf(parts.trustDomain, kind, name)
  const leaf = parts.authority.issue({ spki, spiffeId })
  const { result } = await parts.audit.commit({
    async work(tx) {
      const isFirst = await useToken(tx, hash, keyThumbprint)
      const instance = isFirst ? newId("instance") : await findEnrolled(tx, hash, keyThumbprint)
      if (instance === null) throw tokenRefusal()
      refuseUnlessActive(await lockOwner(tx, kind, owner), `The ${kind} ${name}`)
      if (isFirst && !(await insertInstance(tx, { id: instance, kind, owner, name, keyThumbprint, spki }))) {
        throw new Refusal("key-already-enrolled", "This key is enrolled already. Make a new key and ask again.")
      }
      await insertSvid(tx, { ...leafRow(leaf), instance, spiffeId })
      return { isFirst, who: { kind, name, instance } satisfies Issuee }
    },
    entries({ isFirst, who }) {
      const token = tokenName(hash)
      if (!isFirst) return [issuedDraft(who, spiffeId, leaf, { token })]
      const data = { kind, name, instance: who.instance, keyThumbprint, token }
      const enrolled = { event: "agents.instance-enrolled", ...actor(who, spiffeId, leaf), data }
      return [enrolled, issuedDraft(who, spiffeId, leaf, {})]
    },
  })
  // A crash here leaves an instance whose holder never got its SVID; it asks again with the same token and key.
  return answer(parts, result.who, spiffeId, leaf)
}

/**
 * A new SVID for the instance's registered key; another key needs a join token. An SVID that expired lately is enough for
 * this alone, and the entry says so; a sign-in that is over is enough for nothing. Throws `csr-invalid`, `agent-suspended`,
 * `agent-retired`, `svid-expired`.
 */
export async function renew(parts: EnrolParts, principal: Principal, csr: string): Promise<Enrolment> {
  const { spki, keyThumbprint } = readSigningRequest(csr)
  const registered = await findInstance(parts.database, keyThumbprint)
  if (registered?.id !== principal.instance) {
    throw new Refusal(
      "csr-invalid",
      "The request is for another key than the enrolled one. A new key needs a join token.",
    )
  }
  const { kind, name, spiffeId } = principal
  const who: Issuee = { kind, name, instance: registered.id }
  const signIn = kind === "operator" ? await signInEnd(parts.database, registered.id) : null
  if (signIn?.isOver) throw signInOver(signIn.untilMs)
  const leaf = parts.authority.issue({ spki, spiffeId, untilMs: signIn?.untilMs })
  const lateSeconds = Math.ceil((parts.clock.nowMs() - principal.notAfterMs) / 1_000)
  await parts.audit.commit({
    async work(tx) {
      refuseUnlessActive(await lockOwner(tx, kind, registered.owner), `The ${kind} ${name}`)
      await noteKey(tx, registered.id, { spki })
      await insertSvid(tx, { ...leafRow(leaf), instance: registered.id, spiffeId })
    },
    entries: () => [
      issuedDraft(who, spiffeId, leaf, { before: principal.serial, ...(lateSeconds > 0 ? { lateSeconds } : {}) }),
    ],
  })
  // A crash here leaves the instance with the SVID it had; it renews again.
  return answer(parts, who, spiffeId, leaf)
}

type Issuee = { kind: PrincipalKind; name: string; instance: `instance_${string}` }

/** The entry of an issued certificate; `who` is null for a server's own. */
export function issuedDraft(
  who: Issuee | null,
  spiffeId: string,
  leaf: IssuedLeaf,
  more: { before?: string; lateSeconds?: number; token?: string },
): Draft {
  return {
    event: "agents.svid-issued",
    ...(who === null ? { by: "server" } : actor(who, spiffeId, leaf)),
    data: {
      spiffeId,
      serial: leaf.certificate.serial,
      keyThumbprint: leaf.keyThumbprint,
      notAfter: new Date(leaf.certificate.notAfterMs).toISOString(),
      ...(who === null ? {} : { instance: who.instance }),
      ...more,
    },
  }
}

/** The row of an issued certificate, but whose it is. */
export function leafRow({ certificate: { serial, notAfterMs } }: IssuedLeaf): { serial: string; notAfterMs: number } {
  return { serial, notAfterMs }
}

function actor({ kind, name, instance }: Issuee, spiffeId: string, leaf: IssuedLeaf): Pick<Draft, "by" | "agent"> {
  if (kind === "operator") return { by: spiffeId }
  return { by: spiffeId, agent: { name, instance, svid: leaf.certificate.serial } }
}

/** What the holder of an instance gets. */
export function answer(parts: EnrolParts, who: Issuee, spiffeId: string, leaf: IssuedLeaf): Enrolment {
  return {
    spiffeId,
    instance: who.instance,
    svid: leaf.pem,
    bundle: parts.authority.roots().join(""),
    trustDomain: parts.trustDomain,
    notAfter: new Date(leaf.certificate.notAfterMs).toISOString(),
  }
}
