import type { Database } from "#kernel"
import { type Proposal, proposalsFor } from "./propose.ts"
import * as store from "./store.ts"

/** Seconds in which nobody reads a card. */
const FAST_SECONDS = 2
const MOST_PEOPLE = 20

/** What one policy asked for. `policy` is null for what no policy asked: nobody could verify it. */
export type OfPolicy = store.Asked & store.Pace & { policy: string | null; approvalRate: number | null }

/** How much people are asked, and whether they can still be reading it. */
export type FatigueReport = {
  since: Date
  /** Decisions that the gate made, whatever they were. */
  actions: number
  asked: store.Asked & { per100Actions: number | null; approvalRate: number | null }
  pace: store.Pace & { fastShare: number | null }
  policies: OfPolicy[]
  people: (store.PersonAsked & { perHour: number })[]
  proposals: Proposal[]
}

/** Reads it. `actions` is how many decisions there were since then. Requests are as the database has them now. */
export async function reportSince(
  database: Database,
  { since, hours, actions }: { since: Date; hours: number; actions: number },
): Promise<FatigueReport> {
  const [asked, byPolicy, pace, paces, people] = await Promise.all([
    store.countAskedSince(database, since),
    store.countByPolicy(database, since),
    store.paceSince(database, since, FAST_SECONDS),
    store.paceByPolicy(database, since, FAST_SECONDS),
    store.countByPerson(database, since, MOST_PEOPLE),
  ])
  const nothing = { decisions: 0, medianSeconds: null, fast: 0 }
  const policies = byPolicy.map((of) => {
    const { decisions, medianSeconds, fast } = paces.find(({ policy }) => policy === of.policy) ?? nothing
    return { ...of, decisions, medianSeconds, fast, approvalRate: rateOf(of) }
  })
  return {
    since,
    actions,
    asked: { ...asked, per100Actions: share(asked.requests * 100, actions), approvalRate: rateOf(asked) },
    pace: { ...pace, fastShare: share(pace.fast, pace.decisions) },
    policies,
    people: people.map((person) => ({ ...person, perHour: person.cards / Math.max(hours, 1) })),
    proposals: proposalsFor(policies),
  }
}

/** Of those that came to an end by somebody, or by nobody in time. */
function rateOf({ approved, denied, reported, expired }: store.Asked): number | null {
  return share(approved, approved + denied + reported + expired)
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
