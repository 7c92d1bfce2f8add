import type { Change, Draft } from "#audit"
import { base64url, fromBase64url, newId, Refusal, random, Secret, sha256, type Transaction } from "#kernel"
import { refuseUnlessActive } from "./directory.ts"
import { principalName } from "./document.ts"
import type { OperatorRole } from "./principal.ts"
import type { PrincipalKind } from "./spiffe-id.ts"
import {
  bumpRevision,
  hasOperator,
  insertOperator,
  insertToken,
  lock,
  readAgent,
  readOperators,
  setOperatorRoles,
} from "./store.ts"

/** Who a join token is for. An operator is named by its first token; roles given later replace the ones it has. */
export type JoinRequest =
  | { kind: "agent"; name: string }
  | { kind: "operator"; name: string; roles?: readonly OperatorRole[] }

/** A join token: `<256 random bits>.<SHA-256 of the root>`, both base64url; usable once, until then. */
export type JoinToken = { token: Secret; expiresAt: Date }

type Minted = { secret: Buffer; hash: Buffer }
type Made = { id: string; expiresAt: Date; drafts: Draft[] }

/** What is wrong with every token that does not work: which of the reasons it is is nobody's business. */
export function tokenRefusal(cause?: unknown): Refusal {
  const sentence = "The join token is not valid: unknown, used already, or expired. Ask an operator for a new one."
  return new Refusal("join-token-invalid", sentence, { cause })
}

/** The hash under which a token is stored. Throws `join-token-invalid` for another form, or another deployment's root. */
export function readToken(text: string, rootDigests: readonly string[]): Buffer {
  const [secret, root, more] = text.split(".")
  if (more !== undefined || root === undefined || !rootDigests.includes(root)) throw tokenRefusal()
  try {
    const bytes = fromBase64url(secret!)
    if (bytes.length === 32) return sha256(bytes)
  } catch (cause) {
    throw tokenRefusal(cause)
  }
  throw tokenRefusal()
}

/** A token's random half and its hash. The text is put together with the root that the holder has to find. */
export function mintToken(rootDigest: string): Minted & { text: Secret } {
  const secret = random(32)
  return { secret, hash: sha256(secret), text: new Secret(`${base64url(secret)}.${rootDigest}`) }
}

/**
 * Stores a token. Throws `not-found` for an unknown agent, or an operator that is new and has no roles;
 * `agent-suspended` for an agent that may not act.
 */
export function storeToken(hash: Buffer, request: JoinRequest, lifetimeSeconds: number, by: string): Change<Made> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      return await make(tx, hash, request, lifetimeSeconds, by)
    },
    entries: ({ drafts }) => drafts,
  }
}

/** Stores a first admin's token, unless an operator exists or could still join: then null, and nothing is recorded. */
export function storeFirstToken(hash: Buffer, name: string, lifetimeSeconds: number): Change<Made | null> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      if (await hasOperator(tx)) return null
      return await make(tx, hash, { kind: "operator", name, roles: ["admin"] }, lifetimeSeconds, "server")
    },
    entries: (made) => made?.drafts ?? [],
  }
}

async function make(
  tx: Transaction,
  hash: Buffer,
  request: JoinRequest,
  lifetimeSeconds: number,
  by: string,
): Promise<Made> {
  const { kind, name } = request
  const { id, drafts } = kind === "agent" ? await findAgent(tx, name) : await nameOperator(tx, request, by)
  const expiresAt = await insertToken(tx, { hash, kind, owner: id, createdBy: by, lifetimeSeconds })
  const created: Draft = {
    event: "agents.join-token-created",
    by,
    data: { kind, name, id, token: tokenName(hash), expiresAt: expiresAt.toISOString() },
  }
  return { id, expiresAt, drafts: [...drafts, created] }
}

/** How the log calls a token: the beginning of its hash, from which it cannot be had. */
export function tokenName(hash: Buffer): string {
  return base64url(hash.subarray(0, 12))
}

async function findAgent(tx: Transaction, name: string): Promise<{ id: string; drafts: Draft[] }> {
  const agent = await readAgent(tx, name)
  if (agent === null) throw new Refusal("not-found", `There is no agent ${name}. Add it to safeconduct.yaml and apply.`)
  refuseUnlessActive(agent.state, `The agent ${name}`)
  return { id: agent.id, drafts: [] }
}

async function nameOperator(
  tx: Transaction,
  { name, roles: asked }: { kind: PrincipalKind; name: string; roles?: readonly OperatorRole[] },
  by: string,
): Promise<{ id: string; drafts: Draft[] }> {
  const roles = asked === undefined || asked.length === 0 ? null : [...new Set(asked)].sort()
  const there = (await readOperators(tx)).find((each) => each.name === name && each.state === "active")
  if (there === undefined) {
    if (roles === null) throw new Refusal("not-found", `There is no operator ${name}. Give roles to name a new one.`)
    if (!principalName.safeParse(name).success)
      throw new Refusal("invalid-request", "That cannot be an operator's name.")
    const id = newId("operator")
    await insertOperator(tx, { id, name, roles })
    await bumpRevision(tx)
    return { id, drafts: [{ event: "agents.operator-registered", by, data: { operator: name, id, roles } }] }
  }
  if (there.user !== null) {
    throw new Refusal("invalid-request", `${name} signs in at a provider, and joins with no token.`)
  }
  if (roles === null || roles.join() === [...there.roles].sort().join()) return { id: there.id, drafts: [] }
  await setOperatorRoles(tx, there.id, roles)
  await bumpRevision(tx)
  const data = { operator: name, id: there.id, roles, before: there.roles }
  return { id: there.id, drafts: [{ event: "agents.operator-changed", by, data }] }
}
