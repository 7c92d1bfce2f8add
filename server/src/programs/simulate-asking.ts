import { type Rehearsal, rehearse } from "#gate"
import { askingOf, type NotReplayed, type Recorded, replayable, wasApproved } from "./simulate.ts"

/** How often people were asked in a period, and how often they would have been. */
export type Asking = { before: number; after: number }

/** What a configuration would have asked in a period. */
export type SimulatedAsking = Asking & {
  replayed: number
  /** Decisions that were allowed under leave for more of the same, and would have to be asked about without it. */
  underLeave: number
  /** Null is what no policy asked: nobody could verify it. One that several policies ask about counts for each. */
  policies: (Asking & { policy: string | null })[]
  agents: (Asking & { agent: string })[]
  notReplayed: NotReplayed[]
}

/**
 * Takes recorded decisions again under a configuration, and counts what people would have been asked. An action that was held and
 * happened once it was approved counts once, as it was held. Agents may act otherwise when they are asked otherwise, and how often
 * one may ask at all is not replayed.
 */
export function simulateAsking(rehearsal: Rehearsal, leaves: Iterable<unknown>): SimulatedAsking {
  const policies = new Map<string | null, Asking>()
  const agents = new Map<string, Asking>()
  const notReplayed = new Map<string, number>()
  const all = { before: 0, after: 0 }
  let [replayed, underLeave] = [0, 0]
  for (const leaf of leaves) {
    const { recorded, reason } = replayable(rehearsal, leaf)
    if (recorded === null) {
      notReplayed.set(reason, (notReplayed.get(reason) ?? 0) + 1)
      continue
    }
    if (wasApproved(recorded) && recorded.data.grant === undefined) continue
    replayed += 1
    const { decision } = rehearse(rehearsal, askingOf(recorded))
    // Without a user there is nobody whom it would be asked of, and it is denied.
    const hasSomebody = recorded.data.facts?.user != null || decision.asks.every(({ of }) => of !== "user")
    const isAsked = decision.verdict === "ask" && hasSomebody
    if (recorded.data.grant !== undefined) {
      underLeave += isAsked ? 1 : 0
      continue
    }
    const was = recorded.data.verdict === "ask" ? asking(recorded.data.policies) : []
    const wouldBe = isAsked ? asking(decision.policies.map(({ id }) => id)) : []
    count(policies, was, wouldBe)
    count(agents, ...byAgent(recorded, was.length > 0, isAsked))
    all.before += was.length > 0 ? 1 : 0
    all.after += isAsked ? 1 : 0
  }
  return {
    replayed,
    underLeave,
    ...all,
    policies: sorted(policies).map(([policy, of]) => ({ policy, ...of })),
    agents: sorted(agents).map(([agent, of]) => ({ agent, ...of })),
    notReplayed: [...notReplayed].map(([reason, number]) => ({ reason, count: number })),
  }
}

function asking(policies: readonly string[]): (string | null)[] {
  return policies.length === 0 ? [null] : [...policies]
}

function byAgent({ agent }: Recorded, was: boolean, isAsked: boolean): [string[], string[]] {
  return [was ? [agent.name] : [], isAsked ? [agent.name] : []]
}

function count<Name>(counts: Map<Name, Asking>, was: readonly Name[], wouldBe: readonly Name[]): void {
  for (const name of new Set([...was, ...wouldBe])) {
    const of = counts.get(name) ?? { before: 0, after: 0 }
    counts.set(name, {
      before: of.before + Number(was.includes(name)),
      after: of.after + Number(wouldBe.includes(name)),
    })
  }
}

/** What changes most stands first. */
function sorted<Name>(counts: Map<Name, Asking>): [Name, Asking][] {
  const change = ({ before, after }: Asking) => Math.abs(after - before)
  return [...counts].sort(([, a], [, b]) => change(b) - change(a) || b.before - a.before)
}
