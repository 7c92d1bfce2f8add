/**
 * Agents: who is acting. Owns registrations (agents, operators), join tokens, instances, the built-in certificate
 * authority, and the one judgement of certificates. An agent is active, suspended or retired; an instance is one enrolled
 * key, for good; a certificate (SVID) lives an hour and is renewed by proof of the same key.
 *
 * An operator joins with a token, or signs in at a provider: then the instance has the roles of that sign-in, and ends with it.
 *
 * Identification is ours, not TLS's: `identify` validates the chain as SPIFFE demands and looks up key and state in
 * memory, which follows the epoch. Suspending, resuming and retiring are Changes that the gate commits together with what
 * they end in other rooms; so is `replace`. What an agent may do is not decided here: `sessions` and `policy` read its
 * ceiling. Who may call which route is: roles.ts.
 */
import { createPublicKey, type KeyObject } from "node:crypto"
import { type Audit, type Change, together } from "#audit"
import {
  type Clock,
  type Database,
  type Epoch,
  type Json,
  type Keyring,
  type Log,
  type Migrations,
  nameDeployment,
  refuseSkewed,
} from "#kernel"
import { openAuthority } from "./authority.ts"
import { openDirectory } from "./directory.ts"
import { parseAgents } from "./document.ts"
import { type Enrolment, enrol, renew } from "./enrol.ts"
import { type JoinRequest, type JoinToken, mintToken, storeFirstToken, storeToken } from "./join.ts"
import { type AgentListing, listAgents, listOperators, type OperatorListing } from "./listing.ts"
import type { Agent, AgentPrincipal, AgentsPart, Operator, OperatorRole, Principal, ProvenKey } from "./principal.ts"
import {
  type AgentNamed,
  type AgentStep,
  changeState,
  replaceAgents,
  retireOperator,
  type StateChange,
} from "./registry.ts"
import { type Revocation, type RevokedInstance, revokeInstance } from "./revoke.ts"
import { issueServerIdentity, type ServerIdentity, type ServerNames } from "./server-identity.ts"
import { endSignIns, type Narrowed, narrowSignIns, type SignOutReason } from "./signed-in/changes.ts"
import { type OperatorSignIn, signIn } from "./signed-in/sign-in.ts"
import { forgetSignIns, type Grounds, type SignIn, type SignInsOf } from "./signed-in/store.ts"
import { checkTrustDomain } from "./spiffe-id.ts"
import { findKey, prune } from "./store.ts"
import { validateSvid } from "./validate.ts"

export { newSigningRequest } from "./csr.ts"
export {
  type ActionDetails,
  type ActionLimit,
  type ArgumentRule,
  actionDetails,
  label,
  type OneActionDetail,
  oneActionDetails,
  type SimpleRule,
} from "./details.ts"
export { agentsSchema, parseAgents } from "./document.ts"
export type { Enrolment } from "./enrol.ts"
export { events } from "./events.ts"
export type { JoinRequest, JoinToken } from "./join.ts"
export type { AgentListing, OperatorListing } from "./listing.ts"
export { isOfForm } from "./pattern.ts"
export type * from "./principal.ts"
export { proofOf } from "./principal.ts"
export type { AgentNamed, AgentStep, StateChange } from "./registry.ts"
export type { Revocation, RevokedInstance } from "./revoke.ts"
export { holdersOf, mayCall, roles } from "./roles.ts"
export { routes } from "./routes.ts"
export type { ServerIdentity, ServerNames } from "./server-identity.ts"
export type { Narrowed, SignOutReason } from "./signed-in/changes.ts"
export { type OperatorSignIn, type Proven, SIGN_IN_SECONDS } from "./signed-in/sign-in.ts"
export type { Grounds, SignIn, SignInsOf } from "./signed-in/store.ts"
export { parseSpiffeId, type SpiffeId, spiffeIdOf } from "./spiffe-id.ts"
export { type Svid, validateSvid } from "./validate.ts"

/** Tables of this room. */
export const migrations: Migrations = { room: "agents", folder: new URL("./migrations/", import.meta.url) }

/** How long what this room hands out lives, seconds. */
export type AgentsLifetimes = {
  joinTokenSeconds: number
  svidSeconds: number
  /** How long after its end an SVID is still good for its renewal. */
  lateRenewalSeconds: number
}

const LIFETIMES: AgentsLifetimes = { joinTokenSeconds: 900, svidSeconds: 3_600, lateRenewalSeconds: 86_400 }
/** How often the authority looks at its own age and old rows are forgotten. */
const HOUSEKEEPING_MS = 1_800_000

/** The agents room. `by` is always the SPIFFE ID of who does it, or "server". */
export interface Agents extends AsyncDisposable {
  readonly trustDomain: string
  /** The roots, one PEM each: what a client must hold to know this deployment. */
  roots(): string[]
  /** The SPIFFE bundle as a JWK set. */
  bundle(): Json
  /** Parses the `agents` part of the configuration. Throws `policy-invalid` with `detail.path`. */
  parse(document: unknown): AgentsPart
  /** The part in force, from memory. */
  current(): AgentsPart
  /** Puts a part in force; agents that are not in it are retired. */
  replace(part: AgentsPart, by: string): Change<AgentStep[]>
  /** A registered agent, active or suspended, from memory; null for others. */
  agent(name: string): Agent | null
  /** Agents with their instances, retired ones last; from the database. */
  list(): Promise<AgentListing[]>
  operators(): Promise<OperatorListing[]>
  /**
   * Who shows this chain, DER, leaf first. Throws `svid-invalid`, `svid-expired`, `identity-unknown`, `agent-suspended`,
   * `agent-retired`. Reads the database only for an instance it never saw.
   */
  identify(chain: readonly Uint8Array[], options?: { forRenewal?: boolean }): Promise<Principal>
  /**
   * Whose enrolled key signed a DPoP proof: the same judgement where the connection shows no certificate. The newest SVID
   * of the key counts as its own would there. Throws the same, but `svid-invalid`; operators act with certificates only.
   */
  identifyKey(key: ProvenKey, options?: { forRenewal?: boolean }): Promise<AgentPrincipal>
  /** True for a key that this server identified before; from memory. */
  knows(key: Pick<ProvenKey, "keyThumbprint">): boolean
  /** True for a key that was ever enrolled, by an agent or an operator: nobody else's signature may be made with it. */
  isEnrolled(key: Pick<ProvenKey, "keyThumbprint">): Promise<boolean>
  /** The public key that an instance enrolled; null for one that is revoked, or that enrolled before keys were noted and has not renewed since. */
  keyOf(instance: string): Promise<KeyObject | null>
  /** True for an instance that was revoked, from memory: whoever was identified a moment ago may be by now. */
  isRevoked(instance: string): boolean
  /** Makes a join token, committed with what allows it. Throws `not-found`, `agent-suspended`, and what `allowed` does. */
  createJoinToken(request: JoinRequest, by: string, allowed?: Change<void>): Promise<JoinToken>
  /** The first admin's token; null when an operator is enrolled or a token for one can still be used. */
  bootstrap(): Promise<JoinToken | null>
  enrol(request: { token: string; csr: string }): Promise<Enrolment>
  renew(principal: Principal, csr: string): Promise<Enrolment>
  /** An operator's instance by a sign-in at a provider, committed; it ends with the sign-in. See signed-in/sign-in.ts. */
  signIn(request: OperatorSignIn): Promise<Enrolment>
  /** Ends sign-ins of operators, and what their keys stand for. */
  endSignIns(of: SignInsOf, reason: SignOutReason, by: string): Change<SignIn[]>
  /** Leaves the sign-ins of operators what their grounds are worth by a new configuration. */
  narrowSignIns(worth: (grounds: Grounds) => readonly OperatorRole[], by: string): Change<Narrowed[]>
  /** Throws `not-found` when committed for a name that is not registered; records nothing when it is so already. */
  suspend(who: AgentNamed, reason: string, by: string): Change<StateChange>
  resume(who: AgentNamed, reason: string, by: string): Change<StateChange>
  retire(who: AgentNamed, reason: string, by: string): Change<StateChange>
  /** Committed at once. Throws `not-found`, `last-admin`. */
  retireOperator(name: string, reason: string, by: string): Promise<Operator>
  /** Stops an agent on this server alone, while the database cannot be told, until the returned is disposed of. */
  stopHere(name: string, state: "suspended" | "retired"): Disposable
  /** The same of an instance. */
  revokeHere(instance: string): Disposable
  /** Called when agents stopped being active on any server, as the epoch is read; and at once with those that are already. */
  onStopped(listener: (names: ReadonlySet<string>) => void): void
  /** The same of instances that were revoked. */
  onRevoked(listener: (revoked: readonly RevokedInstance[]) => void): void
  /** Throws `not-found` when committed for an instance that is not that agent's. */
  revokeInstance(of: RevokedInstance, reason: string, by: string): Change<Revocation>
  /** A new SVID for this server, committed. The caller renews it at half its life. */
  serverIdentity(names: ServerNames): Promise<ServerIdentity>
  /** A new intermediate of the certificate authority, which signs from then on. */
  rotateIntermediate(by: string): Change<{ kid: string }>
}

/** What the room stands on; lifetimes that are not given are the defaults. */
export type AgentsParts = {
  database: Database
  audit: Audit
  epoch: Epoch
  keyring: Keyring
  trustDomain: string
  clock: Clock
  log: Log
  lifetimes?: Partial<AgentsLifetimes>
}

/** Opens the room; makes the certificate authority on an empty database. Throws `not-ready`, `key-unusable`. */
export async function openAgents(parts: AgentsParts): Promise<Agents> {
  const { database, audit, epoch, clock, log, trustDomain } = parts
  const lifetimes = { ...LIFETIMES, ...parts.lifetimes }
  checkTrustDomain(trustDomain)
  await nameDeployment(database, trustDomain)
  const authority = await openAuthority({ ...parts, svidSeconds: lifetimes.svidSeconds })
  const directory = await openDirectory({ database, epoch, log, trustDomain })
  const graceMs = (forRenewal: boolean) => (forRenewal ? lifetimes.lateRenewalSeconds * 1_000 : 0)
  const enrolParts = { database, audit, authority, trustDomain, clock }

  epoch.onKeysChange(authority.refresh)

  const keepHouse = async () => {
    await authority.refresh()
    await prune(database)
    await forgetSignIns(database)
  }
  let running: Promise<void> | undefined
  const housekeeping = setInterval(() => {
    running = keepHouse().catch((error: unknown) => log.warn("agents' housekeeping failed", { error }))
  }, HOUSEKEEPING_MS).unref()

  return {
    trustDomain,
    roots: () => authority.roots(),
    bundle: () => authority.bundle(),
    parse: parseAgents,
    current: () => directory.current(),
    replace: replaceAgents,
    agent: (name) => directory.agent(name),
    list: () => listAgents(database),
    operators: () => listOperators(database),
    async identify(chain, { forRenewal = false } = {}) {
      const judged = { nowMs: clock.nowMs(), graceMs: graceMs(forRenewal) }
      const svid = validateSvid(chain, { ...judged, bundles: authority.bundles, use: "client" })
      return await directory.principal(svid, judged.nowMs)
    },
    identifyKey: (key, { forRenewal = false } = {}) =>
      directory.holder(key, { nowMs: clock.nowMs(), graceMs: graceMs(forRenewal) }),
    knows: directory.knows,
    isEnrolled: directory.isEnrolled,
    async keyOf(instance) {
      const key = directory.isRevoked(instance) ? null : await findKey(database, instance)
      return key === null ? null : createPublicKey({ key, format: "der", type: "spki" })
    },
    isRevoked: directory.isRevoked,
    async createJoinToken(request, by, allowed = { entries: () => [] }) {
      const { hash, text } = mintToken(authority.rootDigests[0]!)
      const stored = storeToken(hash, request, lifetimes.joinTokenSeconds, by)
      const { result } = await audit.commit(together(allowed, stored))
      // A crash here leaves a token that nobody holds; it expires.
      return { token: text, expiresAt: result[1].expiresAt }
    },
    async bootstrap() {
      const { hash, text } = mintToken(authority.rootDigests[0]!)
      const { result } = await audit.commit(storeFirstToken(hash, "admin", lifetimes.joinTokenSeconds))
      return result === null ? null : { token: text, expiresAt: result.expiresAt }
    },
    async enrol(request) {
      refuseSkewed(epoch)
      return await enrol(enrolParts, request)
    },
    async renew(principal, csr) {
      refuseSkewed(epoch)
      return await renew(enrolParts, principal, csr)
    },
    async signIn(request) {
      refuseSkewed(epoch)
      const enrolment = await signIn(enrolParts, request)
      await epoch.refresh()
      return enrolment
    },
    endSignIns,
    narrowSignIns,
    suspend: (who, reason, by) => changeState(who, "suspended", reason, by),
    resume: (who, reason, by) => changeState(who, "active", reason, by),
    retire: (who, reason, by) => changeState(who, "retired", reason, by),
    async retireOperator(name, reason, by) {
      const { result } = await audit.commit(retireOperator(name, reason, by))
      await epoch.refresh()
      return result
    },
    stopHere: (name, state) => directory.stopHere(name, state),
    revokeHere: directory.revokeHere,
    onStopped: (listener) => directory.onStopped(listener),
    onRevoked: (listener) => directory.onRevoked(listener),
    revokeInstance,
    serverIdentity: (names) => issueServerIdentity(enrolParts, names),
    rotateIntermediate: (by) => authority.rotate(by),
    async [Symbol.asyncDispose]() {
      clearInterval(housekeeping)
      await running
    },
  }
}
