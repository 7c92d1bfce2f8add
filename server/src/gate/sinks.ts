import { compareFindings, type SinkFound, type Verified } from "#sessions"

/** Of each argument the worst that any bound found. What holds and is a sink of none of them says nothing of where it lands. */
export function worstOf(verified: readonly Verified[]): [string, SinkFound][] {
  const worst = new Map<string, SinkFound>()
  for (const [name, found] of verified.flatMap(({ sinks }) => Object.entries(sinks))) {
    const before = worst.get(name)
    const isWorse = before === undefined || compareFindings(found.finding, before.finding) < 0
    worst.set(name, { ...(isWorse ? found : before), isSink: found.isSink || before?.isSink === true })
  }
  return [...worst].filter(([, { finding, isSink }]) => isSink || finding !== "verified")
}
