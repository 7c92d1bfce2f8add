import type { Change, Draft } from "#audit"
import { canonical, type Json, newId, Refusal, type Transaction } from "#kernel"
import { definitionOf } from "./directory.ts"
import type { Agent, AgentDefinition, AgentState, AgentsPart, Backchannel, Operator } from "./principal.ts"
import {
  bumpRevision,
  insertAgent,
  lock,
  readAgents,
  readOperators,
  retireOperator as retireOperatorRow,
  setAgentState,
  updateAgent,
} from "./store.ts"

/** One agent before and after a change; null where it is not there. */
export type AgentStep = { name: string; id: string; before: AgentDefinition | null; after: AgentDefinition | null }

/**
 * Makes the registry what the configuration says: new names are registered, other definitions taken over, and agents
 * that are no longer there retired. States are kept: a suspended agent stays so. `by` is the SPIFFE ID of who applies.
 */
export function replaceAgents(part: AgentsPart, by: string): Change<AgentStep[]> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      const there = (await readAgents(tx)).filter(({ state }) => state !== "retired")
      const steps = compare(there, part)
      for (const step of steps) await take(tx, step)
      if (steps.length > 0) await bumpRevision(tx)
      return steps
    },
    entries: (steps) => steps.map((step) => stepDraft(step, by)),
  }
}

/** What changing a state did; `isChanged` is false when it was that already, and then nothing is recorded. */
export type StateChange = { name: string; id: string; state: AgentState; isChanged: boolean }

const EVENTS = { active: "agents.resumed", suspended: "agents.suspended", retired: "agents.retired" } as const

/** Whose state is changed: whoever is registered under the name, or only the registration with that id. */
export type AgentNamed = string | { name: string; id: string }

/**
 * Suspends, resumes or retires. Throws `not-found` for a name that is not registered, or not with that id any more. What it
 * takes away is gone on every server when that server has read the epoch.
 */
export function changeState(who: AgentNamed, state: AgentState, reason: string, by: string): Change<StateChange> {
  const { name, id } = typeof who === "string" ? { name: who, id: null } : who
  return {
    async work(tx) {
      await lock(tx, "registry")
      const agent = (await readAgents(tx)).find((each) => each.name === name && each.state !== "retired")
      if (agent === undefined || (id ?? agent.id) !== agent.id) {
        throw new Refusal("not-found", `There is no agent ${name}${id === null ? "" : " of that registration"}.`)
      }
      const isChanged = agent.state !== state
      if (isChanged) {
        await setAgentState(tx, agent.id, state)
        await bumpRevision(tx)
      }
      return { name, id: agent.id, state, isChanged }
    },
    // The reason is free text and may name people.
    entries: ({ id, isChanged }) =>
      isChanged ? [{ event: EVENTS[state], by, data: { agent: name, id }, personal: { reason } }] : [],
  }
}

/** Ends an operator's rights for good. Throws `not-found`, and `last-admin` when nobody could name operators afterwards. */
export function retireOperator(name: string, reason: string, by: string): Change<Operator> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      const active = (await readOperators(tx)).filter(({ state }) => state === "active")
      const operator = active.find((each) => each.name === name)
      if (operator === undefined) throw new Refusal("not-found", `There is no operator ${name}.`)
      if (!active.some((each) => each.id !== operator.id && each.roles.includes("admin"))) {
        throw new Refusal("last-admin", `${name} is the last admin. Name another one first.`)
      }
      await retireOperatorRow(tx, operator.id)
      await bumpRevision(tx)
      return operator
    },
    entries: ({ id }) => [{ event: "agents.operator-retired", by, data: { operator: name, id }, personal: { reason } }],
  }
}

function compare(there: Agent[], part: AgentsPart): AgentStep[] {
  const steps = there
    .map((agent) => ({
      name: agent.name,
      id: agent.id as string,
      before: definitionOf(agent),
      after: Object.hasOwn(part, agent.name) ? part[agent.name]! : null,
    }))
    .filter(({ before, after }) => after === null || asText(before) !== asText(after))
  const known = new Set(there.map(({ name }) => name))
  const added = Object.entries(part).filter(([name]) => !known.has(name))
  return [...steps, ...added.map(([name, after]) => ({ name, id: newId("agent"), before: null, after }))]
}

async function take(tx: Transaction, { name, id, before, after }: AgentStep): Promise<void> {
  if (after === null) return await setAgentState(tx, id, "retired")
  if (before === null) return await insertAgent(tx, id as Agent["id"], name, after)
  await updateAgent(tx, id, after)
}

function stepDraft({ name, id, before, after }: AgentStep, by: string): Draft {
  if (after === null) {
    return { event: "agents.retired", by, data: { agent: name, id }, personal: { reason: "no longer configured" } }
  }
  return {
    event: before === null ? "agents.registered" : "agents.changed",
    by,
    data: {
      agent: name,
      id,
      purposes: after.purposes,
      ceiling: after.ceiling as unknown as Json,
      redirectUris: after.redirectUris,
      ...(after.backchannel && { backchannel: recorded(after.backchannel) }),
    },
    ...(before?.owner === after.owner ? {} : { personal: { owner: after.owner } }),
  }
}

/** What an action is done with may be personal, and is in no entry; the configuration has it. */
function recorded({ defaultAuthorizationDetails: details, ...rest }: Backchannel): Json {
  const named = details?.map(({ arguments: _, ...detail }) => detail)
  return { ...rest, ...(named && { defaultAuthorizationDetails: named }) } as Json
}

function asText(definition: AgentDefinition): string {
  return canonical(definition as unknown as Json)
}
