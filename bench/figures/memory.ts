import type { Figure } from "../figure.ts"
import { openBenchGround, toolActions } from "../ground.ts"
import { progress, show } from "../measure.ts"

const CLIENTS = 64
/** Decisions of which the percentiles are. */
const LAST = 10_000

/** Whether a server that decides on and on grows, and grows slow. */
export const memory: Figure = {
  name: "memory",
  title: "A million decisions: memory, and a growing log",
  what: `One server, 64 clients, until a million decisions were made. Resident memory and the part of it that JavaScript uses, each
hundred thousand decisions, and how long the last ten thousand took. Each decision is one entry more in the log; the floor is the first row.`,
  async measure(pace) {
    const [until, step] = pace.isQuick ? [60_000, 20_000] : [1_000_000, 100_000]
    await using ground = await openBenchGround()
    const load = await ground.load(CLIENTS)
    const order = { clients: CLIENTS, path: "/v1/actions", bodies: toolActions(load.sessions) }
    const rows: string[][] = []
    const [rss, p99s]: [number[], number[]] = [[], []]
    let count = 0
    let sinceMs = performance.now()
    while (count < until) {
      const next = count + step
      while (count < next - LAST) count += (await load.play({ ...order, seconds: 2, most: next - LAST - count })).count
      const last = await load.play({ ...order, seconds: 60, most: LAST })
      count += last.count
      const { rssBytes, heapBytes } = await ground.usage()
      const nowMs = performance.now()
      rss.push(rssBytes / 2 ** 20)
      p99s.push(last.p99Ms)
      const perSecond = (step * 1_000) / (nowMs - sinceMs)
      const figures = [rss.at(-1)!, heapBytes / 2 ** 20, perSecond, last.p50Ms, last.p99Ms]
      rows.push([count.toLocaleString("en"), ...figures.map(show)])
      progress(`memory: ${rows.at(-1)!.join(" ")}`)
      sinceMs = nowMs
    }
    const [growth, slope] = [rss.at(-1)! / rss[0]!, p99s.at(-1)! / p99s[0]!]
    return {
      columns: ["decisions", "resident MiB", "heap MiB", "decisions/s", "p50 ms", "p99 ms"],
      rows,
      aims: [
        { aim: "memory at most 1.2 of the first row", value: show(growth), isReached: growth <= 1.2 },
        { aim: "p99 at most 1.2 of the first row", value: show(slope), isReached: slope <= 1.2 },
      ],
    }
  },
}
