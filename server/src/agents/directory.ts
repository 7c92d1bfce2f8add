import { type Database, type Epoch, type Log, Refusal } from "#kernel"
import type {
  Agent,
  AgentPrincipal,
  AgentsPart,
  Confirmation,
  Operator,
  OperatorPrincipal,
  Principal,
  ProvenKey,
} from "./principal.ts"
import type { RevokedInstance } from "./revoke.ts"
import { signInOver } from "./signed-in/over.ts"
import { readSignIns, type SignIn } from "./signed-in/store.ts"
import { principalNamed, spiffeIdOf } from "./spiffe-id.ts"
import {
  findInstance,
  findLastSvid,
  type Instance,
  type LastSvid,
  readAgents,
  readOperators,
  readRevision,
  readRevoked,
} from "./store.ts"
import type { Svid } from "./validate.ts"

/**
 * Who is registered, in memory: every agent and operator with its state, taken in anew when the epoch moves and the
 * registry's revision with it, and each instance from its first sight on (an instance never changes, but that it is revoked).
 */
export interface Directory {
  /** The registration of that name that is not retired; null when there is none. */
  agent(name: string): Agent | null
  /** True for a key that was identified here before. */
  knows(key: Pick<ProvenKey, "keyThumbprint">): boolean
  /** True for a key that was ever enrolled, also one that is seen here for the first time. */
  isEnrolled(key: Pick<ProvenKey, "keyThumbprint">): Promise<boolean>
  /** True for an instance that stands for nobody any more. */
  isRevoked(instance: string): boolean
  /** The agents of the configuration as registered. */
  current(): AgentsPart
  /** Who the SVID stands for. Throws `identity-unknown`, `agent-suspended`, `agent-retired`; `svid-expired` after a sign-in. */
  principal(svid: Svid, nowMs: number): Promise<Principal>
  /**
   * Whose enrolled key was proven without a certificate. Its newest SVID may have ended `graceMs` ago at the most. Throws
   * `identity-unknown` also for an operator's key, `svid-expired`, `agent-suspended`, `agent-retired`.
   */
  holder(key: ProvenKey, judged: { nowMs: number; graceMs: number }): Promise<AgentPrincipal>
  /** Stops an agent on this server, from now on and until the returned is disposed of; tells the listeners. */
  stopHere(name: string, state: "suspended" | "retired"): Disposable
  /** Revokes an instance on this server, from now on and until the returned is disposed of. */
  revokeHere(instance: string): Disposable
  /**
   * Called with the names of agents that stopped being active, once for each time that happens; and at once with those
   * that are stopped already, so that whoever ends what they hold finds what a crash left.
   */
  onStopped(listener: (names: ReadonlySet<string>) => void): void
  /** The same of instances that were revoked. */
  onRevoked(listener: (revoked: readonly RevokedInstance[]) => void): void
}

/** What the directory reads and follows. */
export type DirectoryParts = { database: Database; epoch: Epoch; log: Log; trustDomain: string }

type Held = {
  revision: number
  agents: ReadonlyMap<string, Agent>
  byName: ReadonlyMap<string, Agent>
  operators: ReadonlyMap<string, Operator>
  /** Sign-ins that were not over when they were read, by instance. */
  signIns: ReadonlyMap<string, SignIn>
  revoked: ReadonlyMap<string, RevokedInstance>
}

/** Reads the registry and follows it. */
export async function openDirectory({ database, epoch, log, trustDomain }: DirectoryParts): Promise<Directory> {
  let held = await read(database)
  const instances = new Map<string, Instance>()
  const lastSvids = new Map<string, LastSvid>()
  const listeners: ((names: ReadonlySet<string>) => void)[] = []
  const revocationListeners: ((revoked: readonly RevokedInstance[]) => void)[] = []
  const stoppedHere = new Map<string, "suspended" | "retired">()
  const revokedHere = new Set<string>()

  let reloading: Promise<void> = Promise.resolve()
  /** One after another: of two at once the one that began first could end last, and bring back who was stopped meanwhile. */
  const reload = () => {
    reloading = reloading.catch(() => undefined).then(reloadOnce)
    return reloading
  }
  const reloadOnce = async () => {
    if ((await readRevision(database)) === held.revision) return
    const before = held
    held = await read(database)
    const revoked = [...held.revoked.values()].filter(({ instance }) => !before.revoked.has(instance))
    for (const listener of revoked.length > 0 ? revocationListeners : []) listener(revoked)
    const names = stoppedBetween(before, held)
    if (names.size === 0) return
    log.info("agents stopped", { agents: [...names] })
    for (const listener of listeners) listener(names)
  }
  epoch.onChange(reload)

  const instanceOf = async (keyThumbprint: string): Promise<Instance | null> => {
    const known = instances.get(keyThumbprint) ?? (await findInstance(database, keyThumbprint))
    if (known !== null) instances.set(keyThumbprint, known)
    return known
  }
  /** Registered on another server a moment ago: our memory may not have it yet. */
  const learnOwner = async ({ id, owner }: Instance) => {
    const isSignIn = held.operators.get(owner)?.user != null
    const isKnown = isSignIn ? held.signIns.has(id) : held.agents.has(owner) || held.operators.has(owner)
    if (!isKnown) await reload()
  }
  /** Read again when the one that we know has ended: another server may have issued a newer one. */
  const lastSvidOf = async ({ id }: Instance, nowMs: number): Promise<LastSvid> => {
    const known = lastSvids.get(id)
    if (known !== undefined && nowMs <= known.notAfterMs) return known
    const found = await findLastSvid(database, id)
    lastSvids.set(id, found)
    return found
  }

  const isRevoked = (instance: string) => held.revoked.has(instance) || revokedHere.has(instance)
  const refuseRevoked = ({ id }: Instance) => {
    if (!isRevoked(id)) return
    throw new Refusal(
      "identity-unknown",
      "This instance was revoked. Remove its identity folder, and enrol a new key with a join token.",
    )
  }
  const refuseStoppedHere = ({ kind, name }: Instance) => {
    const state = kind === "agent" ? stoppedHere.get(name) : undefined
    if (state !== undefined) refuseUnlessActive(state, `The agent ${name}`)
  }

  return {
    agent(name) {
      const agent = held.byName.get(name) ?? null
      const state = stoppedHere.get(name)
      return agent === null || state === undefined ? agent : { ...agent, state }
    },
    knows: ({ keyThumbprint }) => instances.has(keyThumbprint),
    isEnrolled: async ({ keyThumbprint }) => (await instanceOf(keyThumbprint)) !== null,
    isRevoked,
    current: () => Object.fromEntries([...held.byName.values()].map((agent) => [agent.name, definitionOf(agent)])),
    async principal(svid, nowMs) {
      const named = principalNamed(svid.id)
      const instance = named === null ? null : await instanceOf(svid.keyThumbprint)
      // The certificate's name must be the one that this very key was enrolled for.
      if (instance === null || named?.kind !== instance.kind || named.name !== instance.name) throw unknown()
      await learnOwner(instance)
      refuseStoppedHere(instance)
      refuseRevoked(instance)
      const proven: Proven = { ...svid, spiffeId: svid.id.text, confirmation: { "x5t#S256": svid.thumbprint } }
      return instance.kind === "agent"
        ? agentPrincipal(held.agents.get(instance.owner), instance, proven)
        : operatorPrincipal(signedIn(held, instance, nowMs), instance, proven)
    },
    async holder({ jkt, keyThumbprint }, { nowMs, graceMs }) {
      const instance = await instanceOf(keyThumbprint)
      if (instance?.kind !== "agent") {
        throw new Refusal("identity-unknown", "This key is no agent's. Enrol it with a join token.")
      }
      await learnOwner(instance)
      const svid = await lastSvidOf(instance, nowMs)
      // Judged without waiting for anything from here on: what is taken away meanwhile is taken away.
      refuseStoppedHere(instance)
      refuseRevoked(instance)
      const spiffeId = spiffeIdOf(trustDomain, "agent", instance.name)
      const proven: Proven = { ...svid, spiffeId, confirmation: { jkt } }
      const principal = agentPrincipal(held.agents.get(instance.owner), instance, proven)
      if (nowMs > svid.notAfterMs + graceMs) throw ended(svid)
      return principal
    },
    stopHere(name, state) {
      stoppedHere.set(name, state)
      for (const listener of listeners) listener(new Set([name]))
      return { [Symbol.dispose]: () => void stoppedHere.delete(name) }
    },
    revokeHere(instance) {
      revokedHere.add(instance)
      return { [Symbol.dispose]: () => void revokedHere.delete(instance) }
    },
    onStopped(listener) {
      listeners.push(listener)
      const names = stoppedNow(held)
      if (names.size > 0) listener(names)
    },
    onRevoked(listener) {
      revocationListeners.push(listener)
      if (held.revoked.size > 0) listener([...held.revoked.values()])
    },
  }
}

/** Refuses an agent that may not act, with the reason that its caller may know. */
export function refuseUnlessActive(state: Agent["state"], name: string): void {
  if (state === "active") return
  if (state === "suspended") {
    throw new Refusal("agent-suspended", `${name} is suspended. An operator can resume it.`)
  }
  throw new Refusal("agent-retired", `${name} is retired and will not act again. Register and enrol anew.`)
}

/** What the configuration says, without what we added to it. */
export function definitionOf(agent: Agent): AgentsPart[string] {
  const { owner, description, purposes, ceiling, redirectUris, backchannel } = agent
  return { owner, description, purposes, ceiling, redirectUris, ...(backchannel && { backchannel }) }
}

/** What a proof of an enrolled key says: with which name, by which SVID, and how. */
type Proven = LastSvid & { spiffeId: string; confirmation: Confirmation }

function agentPrincipal(agent: Agent | undefined, instance: Instance, proven: Proven): AgentPrincipal {
  if (agent === undefined) throw unknown()
  refuseUnlessActive(agent.state, `The agent ${agent.name}`)
  return { kind: "agent", agentId: agent.id, name: agent.name, ...common(instance, proven) }
}

function operatorPrincipal(operator: Operator | undefined, instance: Instance, proven: Proven): OperatorPrincipal {
  if (operator === undefined) throw unknown()
  refuseUnlessActive(operator.state, `The operator ${operator.name}`)
  const { id: operatorId, name, roles } = operator
  return { kind: "operator", operatorId, name, roles: [...roles], ...common(instance, proven) }
}

/** The operator with the roles of this very sign-in, where it is one that signs in. */
function signedIn({ operators, signIns }: Held, { id, owner }: Instance, nowMs: number): Operator | undefined {
  const operator = operators.get(owner)
  if (operator === undefined || operator.user === null || operator.state !== "active") return operator
  const signIn = signIns.get(id)
  if (signIn === undefined || signIn.untilMs <= nowMs) throw signInOver(signIn?.untilMs ?? 0)
  return { ...operator, roles: signIn.roles }
}

function common({ id: instance }: Instance, { spiffeId, serial, confirmation, notAfterMs }: Proven) {
  return { spiffeId, instance, serial, confirmation, notAfterMs }
}

function ended({ notAfterMs }: LastSvid): Refusal {
  const at = new Date(notAfterMs).toISOString()
  return new Refusal("svid-expired", `The newest SVID of this key expired at ${at}. Renew it, or enrol again.`)
}

function unknown(): Refusal {
  return new Refusal(
    "identity-unknown",
    "This certificate's key is not enrolled under its name. Enrol with a join token.",
  )
}

async function read(database: Database): Promise<Held> {
  // The revision first: what changes while we read is then read once more, never missed.
  const revision = await readRevision(database)
  const [agents, operators] = [sharing(await readAgents(database)), await readOperators(database)]
  const [revoked, signIns] = [await readRevoked(database), await readSignIns(database)]
  return {
    revision,
    agents: new Map(agents.map((agent) => [agent.id, agent])),
    byName: new Map(agents.filter(({ state }) => state !== "retired").map((agent) => [agent.name, agent])),
    operators: new Map(operators.map((operator) => [operator.id, operator])),
    signIns: new Map(signIns.map((signIn) => [signIn.instance, signIn])),
    revoked: new Map(revoked.map((each) => [each.instance, each])),
  }
}

/**
 * The same agents, with one copy of what many of them say alike: a hundred thousand registrations of their own are a million
 * objects, which the garbage collector would walk again and again while decisions wait.
 */
function sharing(agents: readonly Agent[]): Agent[] {
  const copies = new Map<string, unknown>()
  const one = <Value>(value: Value): Value => {
    const key = JSON.stringify(value)
    if (!copies.has(key)) copies.set(key, value)
    return copies.get(key) as Value
  }
  return agents.map(({ owner, description, purposes, ceiling, redirectUris, ...own }) => ({
    ...own,
    owner: one(owner),
    description: one(description),
    purposes: one(purposes),
    ceiling: one(ceiling),
    redirectUris: one(redirectUris),
  }))
}

/** By id, not by name: a name registered anew is another agent, and the old one's connections must go. */
function stoppedBetween(before: Held, after: Held): Set<string> {
  const wasActive = [...before.agents.values()].filter(({ state }) => state === "active")
  return new Set(wasActive.filter(({ id }) => after.agents.get(id)?.state !== "active").map(({ name }) => name))
}

/** Names under which nobody is active now. */
function stoppedNow({ agents, byName }: Held): Set<string> {
  const names = [...agents.values()].map(({ name }) => name)
  return new Set(names.filter((name) => byName.get(name)?.state !== "active"))
}
