import type { Figure } from "../figure.ts"
import { openBenchGround, toolActions } from "../ground.ts"
import type { Seen } from "../load.ts"
import { progress, show, showSpread, spreadOf } from "../measure.ts"

const AGENTS = [100, 10_000, 100_000]
const CLIENTS = 32

/** Whether a decision takes longer when there are more agents. */
export const growth: Figure = {
  name: "growth",
  title: "Decisions with many agents",
  what: `${CLIENTS} clients of one agent, while that many others are registered (by SQL: the server reads them when the epoch moves). The
floor is the first row. How a decision fares with more and more entries in the log is in the table of memory.`,
  async measure(pace) {
    await using ground = await openBenchGround()
    const load = await ground.load(CLIENTS)
    const order = { clients: CLIENTS, path: "/v1/actions", bodies: toolActions(load.sessions) }
    const rows: string[][] = []
    const p99s: number[] = []
    await load.play({ ...order, seconds: pace.seconds })
    for (const agents of AGENTS) {
      progress(`growth: ${agents} agents`)
      await ground.ours.query(OTHER_AGENTS, [agents])
      await load.play({ ...order, seconds: pace.seconds })
      const rounds: Seen[] = []
      for (let round = 0; round < pace.rounds; round++)
        rounds.push(await load.play({ ...order, seconds: pace.seconds }))
      const of = (value: (round: Seen) => number) => spreadOf(rounds.map(value))
      const p99 = of(({ p99Ms }) => p99Ms)
      p99s.push(p99.median)
      rows.push([
        agents.toLocaleString("en"),
        showSpread(of(({ count, seconds }) => count / seconds)),
        showSpread(of(({ p50Ms }) => p50Ms)),
        showSpread(p99),
      ])
    }
    const ratio = Math.max(...p99s) / p99s[0]!
    return {
      columns: ["agents", "decisions/s", "p50 ms", "p99 ms"],
      rows,
      aims: [{ aim: "p99 at most 1.2 of that with 100 agents", value: show(ratio), isReached: ratio <= 1.2 }],
    }
  },
}

/** Registers agents up to that many, like the one that is there. */
const OTHER_AGENTS = `
  with added as (
    insert into agents.agents (id, name, owner, description, purposes, ceiling)
    select 'agent_seed' || n, 'seed-' || n, owner, description, purposes, ceiling
    from agents.agents, generate_series(1, $1::int) n where name = 'bot'
    on conflict do nothing
  ), moved as (
    update agents.revision set revision = revision + 1
  )
  update kernel.epoch set epoch = epoch + 1`
