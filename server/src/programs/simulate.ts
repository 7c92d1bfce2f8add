import { z } from "zod"
import { type DecidedBy, dependsOnArguments, type Rehearsal, rehearse } from "#gate"
import type { ActionType, Asking, SinkFinding } from "#policy"

/** What was decided, as its entry tells. */
const recordedSchema = z.object({
  id: z.string(),
  event: z.string().optional(),
  at: z.string(),
  agent: z.object({ name: z.string() }),
  purpose: z.string(),
  action: z.object({ type: z.string(), resource: z.string(), operation: z.string() }),
  data: z.object({
    verdict: z.enum(["allow", "deny", "ask"]),
    policies: z.array(z.string()).default([]),
    /** The approval that it was allowed with, or that it waits for; the leave that it was allowed under. */
    approval: z.string().optional(),
    grant: z.string().optional(),
    /** What the gate had found out of the session; absent where there was nothing to find. */
    facts: z
      .object({
        agents: z.array(z.string()),
        user: z.string().nullable(),
        approved: z.boolean(),
        labels: z.array(z.string()),
        sinks: z.record(z.string(), z.custom<SinkFinding>()),
        requestText: z.enum(["none", "consent", "application", "passkey"]),
      })
      .partial()
      .optional(),
  }),
})

/** Decisions that would come out otherwise, taken together where question, answer and reason are the same. */
export type Changed = {
  agent: string
  purpose: string
  action: string
  resource: string
  operation: string
  was: string
  wouldBe: string
  by: DecidedBy
  policies: string[]
  reasons: string[]
  count: number
  first: string
  last: string
  /** The first of these entries. */
  entry: string
}

/** Decisions that cannot be replayed, by why not. */
export type NotReplayed = { reason: string; count: number }

/** What a configuration would have changed of a period. `isSame` of `replayed` would not change. */
export type Simulated = { replayed: number; same: number; changed: Changed[]; notReplayed: NotReplayed[] }

/** The entries that say what was decided. */
export const DECISIONS = ["gate.action-begun", "gate.action-denied", "gate.action-held"] as const

/**
 * Decides recorded decisions again under a configuration, as for sessions that were opened under it. Arguments are never
 * recorded, so a decision that hangs on one is not replayed, and the answer says how many those are.
 */
export function simulate(rehearsal: Rehearsal, leaves: Iterable<unknown>): Simulated {
  const changed = new Map<string, Changed>()
  const notReplayed = new Map<string, number>()
  let [replayed, same] = [0, 0]
  for (const leaf of leaves) {
    const { recorded, reason } = replayable(rehearsal, leaf)
    if (recorded === null) {
      notReplayed.set(reason, (notReplayed.get(reason) ?? 0) + 1)
      continue
    }
    replayed += 1
    const { decision, by } = rehearse(rehearsal, { ...askingOf(recorded), approved: wasApproved(recorded) })
    if (decision.verdict === recorded.data.verdict) same += 1
    else note(changed, recorded, { by, ...decision })
  }
  return {
    replayed,
    same,
    changed: [...changed.values()].sort((a, b) => b.count - a.count),
    notReplayed: [...notReplayed].map(([reason, count]) => ({ reason, count })),
  }
}

/** A decision, as its entry tells. */
export type Recorded = z.infer<typeof recordedSchema>

/** The decision of an entry, or why it cannot be taken again. */
export function replayable(
  rehearsal: Rehearsal,
  leaf: unknown,
): { recorded: Recorded; reason: null } | { recorded: null; reason: string } {
  const parsed = recordedSchema.safeParse(leaf)
  if (!parsed.success) return { recorded: null, reason: "the entry is of another form" }
  const reason = obstacle(rehearsal, askingOf(parsed.data))
  return reason === null ? { recorded: parsed.data, reason } : { recorded: null, reason }
}

/** True where it was allowed because somebody had approved it, or given leave. */
export function wasApproved({ data }: Recorded): boolean {
  return data.verdict === "allow" && (data.approval !== undefined || data.grant !== undefined)
}

/** The question that was decided. */
export function askingOf({ agent, purpose, action, data: { facts = {} } }: Recorded): Asking {
  const { agents = [agent.name], user, ...others } = facts
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined))
  const asked = { agents, purpose, action: { ...action, type: action.type as ActionType }, ...given }
  return user == null ? asked : { ...asked, user: { id: user } }
}

function obstacle(rehearsal: Rehearsal, asking: Asking): string | null {
  // In words of Cedar: what a policy can look at of a user are tags, and the provider.
  const isOfClaims = rehearsal.set.policies.some(({ text }) => /\b(hasTag|getTag|provider)\b/.test(text))
  if (asking.user != null && isOfClaims) return "policies look at claims of users, and claims are not recorded"
  if (!dependsOnArguments(rehearsal, asking)) return null
  return "a ceiling or a purpose bounds the action's arguments, and arguments are not recorded"
}

type Now = { by: DecidedBy; verdict: string; policies: { id: string }[]; reasons: string[] }

function note(changed: Map<string, Changed>, { id, at, agent, purpose, action, data }: Recorded, now: Now): void {
  const { type, resource, operation } = action
  const key = JSON.stringify([agent.name, purpose, type, resource, operation, data.verdict, now.verdict, now.reasons])
  const known = changed.get(key)
  if (known !== undefined) {
    known.count += 1
    known.last = at
    return
  }
  changed.set(key, {
    agent: agent.name,
    purpose,
    action: type,
    resource,
    operation,
    was: data.verdict,
    wouldBe: now.verdict,
    by: now.by,
    policies: now.policies.map((policy) => policy.id),
    reasons: now.reasons,
    count: 1,
    first: at,
    last: at,
    entry: id,
  })
}
