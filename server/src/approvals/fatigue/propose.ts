import type { OfPolicy } from "./report.ts"

/** Something to change, and why, for whoever writes policies. */
export type Proposal = { policy: string | null; kind: "narrow" | "raise"; words: string }

/** Asked so often, and approved almost always: it is not the asking that protects. */
const ENOUGH_ASKED = 30
const ALMOST_ALWAYS = 0.95
const ENOUGH_DECIDED = 10
const FAST_SECONDS = 2

/** What the figures of the policies call for. Pure. */
export function proposalsFor(policies: readonly OfPolicy[]): Proposal[] {
  return policies.flatMap((of) => {
    const { policy, approved, denied, reported, expired, approvalRate, decisions, medianSeconds } = of
    const asked = approved + denied + reported + expired
    const found: Proposal[] = []
    if (asked >= ENOUGH_ASKED && approvalRate! > ALMOST_ALWAYS) {
      const what = `${nameOf(policy)} was asked about ${asked} times and approved ${percent(approvalRate!)} of them.`
      found.push({ policy, kind: "narrow", words: `${what} ${narrower(policy)}` })
    }
    if (decisions >= ENOUGH_DECIDED && medianSeconds! < FAST_SECONDS) {
      const what = `${nameOf(policy)}: half of the decisions took less than ${FAST_SECONDS} seconds, in which nobody reads a card.`
      found.push({ policy, kind: "raise", words: `${what} ${HARDER}` })
    }
    return found
  })
}

const HARDER = "Ask for more than a tap (@rung), or ask less."

function narrower(policy: string | null): string {
  if (policy !== null) {
    return "Let it ask only where something is unusual, as by a limit or a rule on its arguments, or let people give leave for more of the same (approvals.grants)."
  }
  return "Give its arguments rules that can be verified, such as the user's request or a look-up, so that nobody has to be asked."
}

function nameOf(policy: string | null): string {
  return policy === null ? "What nobody could verify" : `The policy ${policy}`
}

function percent(share: number): string {
  return `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`
}
