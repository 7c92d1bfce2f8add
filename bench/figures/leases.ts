import type { Issued } from "../../server/src/credentials/index.ts"
import { newId, random } from "../../server/src/kernel/index.ts"
import { type BenchCredentials, type Iterations, openBenchCredentials } from "../credentials.ts"
import type { Aim, Figure } from "../figure.ts"
import { each, type Pace, progress, show, showSpread, spreadOf, timed } from "../measure.ts"

/** Callers at once. */
const CALLERS = 64
const LIVE = [0, 1_000, 10_000]
const ITERATIONS: readonly Iterations[] = [1, 4096]

/** Leases made and taken away per second. */
export const leases: Figure = {
  name: "leases",
  title: "Leases issued and revoked",
  what: `A lease issued is two durable commits of ours, each with its entry, and one role made at the resource over four connections; a lease
revoked is cut, dropped, and read back a quarter of a second later, with its commits. Floor: the same roles made and dropped by hand over
four connections of an account with the same rights: no ledger, no log, no look at connections. Other live roles stand beside them, half of
them made by each of the two accounts.`,
  async measure(pace) {
    await using bench = await openBenchCredentials()
    const cells: Cell[] = []
    for (const live of LIVE) {
      progress(`leases: ${live} other live roles`)
      await bench.standing(2 * live)
      for (const iterations of ITERATIONS) {
        await bench.useIterations(iterations)
        const rounds: Round[] = []
        // The first one warms up.
        for (let round = 0; round <= roundsOf(pace); round++) {
          const measured = await measureOne(bench, iterations, leasesOf(pace, live))
          if (round > 0) rounds.push(measured)
        }
        cells.push({ live, iterations, rounds })
      }
    }
    return {
      columns: ["iterations", "live roles", "issue/s", "floor", "ratio", "revoke/s", "floor", "ratio"],
      rows: cells.map(rowOf),
      aims: aimsOf(cells),
    }
  },
}

type Cell = { live: number; iterations: Iterations; rounds: Round[] }

/** Per second. */
type Round = { issue: number; issueFloor: number; revoke: number; revokeFloor: number }

function roundsOf({ isQuick, rounds }: Pace): number {
  return isQuick ? 1 : rounds
}

/** Fewer where PostgreSQL itself is slow. */
function leasesOf({ isQuick }: Pace, live: number): number {
  const count = live >= 10_000 ? 128 : 384
  return isQuick ? count / 2 : count
}

async function measureOne(
  { credentials, lease, raw }: BenchCredentials,
  iterations: Iterations,
  count: number,
): Promise<Round> {
  const names = Array.from({ length: count }, () => `floor_${newId("lease")}`)
  const rate = (ms: number) => (count / ms) * 1_000
  const issueFloor = rate(await timed(() => each(names, CALLERS, (name) => raw.query(rawIssue(name, iterations)))))
  const revokeFloor = rate(await timed(() => each(names, CALLERS, (name) => raw.query(rawRevoke(name)))))
  const issued: Issued[] = []
  const issue = rate(await timed(() => each(names, CALLERS, async () => void issued.push(await lease()))))
  const revoke = rate(
    await timed(() => each(issued, CALLERS, ({ lease: { id } }) => credentials.revoke(id, "released"))),
  )
  await each(issued, CALLERS, ({ lease: { id } }) => credentials.settled(id))
  return { issue, issueFloor, revoke, revokeFloor }
}

/** With a verifier that costs us nothing; PostgreSQL stretches once all the same, to refuse the empty password. */
function rawIssue(name: string, iterations: Iterations): string {
  const verifier = `SCRAM-SHA-256$${iterations}:${random(16).toString("base64")}$${random(32).toString("base64")}:${random(32).toString("base64")}`
  return (
    `create role ${name} login password '${verifier}' valid until '2100-01-01' connection limit 5;` +
    `comment on role ${name} is 'floor'; grant kb_read to ${name} with inherit true, set false`
  )
}

function rawRevoke(name: string): string {
  return `alter role ${name} nologin; drop role ${name}`
}

function rowOf({ live, iterations, rounds }: Cell): string[] {
  const of = (value: (round: Round) => number) => showSpread(spreadOf(rounds.map(value)))
  return [
    String(iterations),
    live.toLocaleString("en"),
    of(({ issue }) => issue),
    of(({ issueFloor }) => issueFloor),
    of(({ issue, issueFloor }) => issue / issueFloor),
    of(({ revoke }) => revoke),
    of(({ revokeFloor }) => revokeFloor),
    of(({ revoke, revokeFloor }) => revoke / revokeFloor),
  ]
}

function aimsOf(cells: readonly Cell[]): Aim[] {
  const cell = (iterations: Iterations, live: number) =>
    cells.find((each) => each.iterations === iterations && each.live === live)!
  const ratio = ({ rounds }: Cell) => spreadOf(rounds.map(({ issue, issueFloor }) => issue / issueFloor)).median
  const issued = ({ rounds }: Cell) => spreadOf(rounds.map(({ issue }) => issue)).median
  const [one, many] = [ratio(cell(1, 0)), ratio(cell(4096, 0))]
  const slope = issued(cell(1, 10_000)) / issued(cell(1, 0))
  return [
    { aim: "at least half the floor at 1 iteration", value: show(one), isReached: one >= 0.5 },
    { aim: "at least 0.9 of the floor at 4,096", value: show(many), isReached: many >= 0.9 },
    { aim: "as many with 10,000 live roles as with none", value: `${show(slope)} of them`, isReached: slope >= 0.9 },
  ]
}
