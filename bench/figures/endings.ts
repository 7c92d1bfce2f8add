import { connected } from "../../stories/fixtures/resource.ts"
import type { Figure } from "../figure.ts"
import { openBenchGround } from "../ground.ts"
import { progress, quantile, show } from "../measure.ts"

/** From the end of a session to the first query that is refused. */
export const endings: Figure = {
  name: "endings",
  title: "Session end to refused query",
  what: `One session after another, each with a lease and a connection that asks one short query after the other. From the moment that the
agent sends the end of its session to the moment that the connection is refused, and to the answer. Floor: the same connection ended by
a superuser who calls pg_terminate_backend.`,
  async measure(pace) {
    const sessions = pace.isQuick ? 40 : 200
    await using ground = await openBenchGround()
    const agent = await ground.enrolled("bot")
    const [refused, answered, floor]: [number[], number[], number[]] = [[], [], []]
    for (let nth = 0; nth < sessions; nth++) {
      if (nth % 50 === 0) progress(`endings: ${nth} of ${sessions} sessions`)
      const session = await agent.open({ purpose: "answer" })
      const { settings } = await session.lease("kb", { operation: "read" })
      const cut = await querying(settings)
      const beganMs = performance.now()
      const ending = session.end().then(() => performance.now())
      refused.push((await cut.refusedMs) - beganMs)
      answered.push((await ending) - beganMs)
      floor.push(await terminated(ground.ownerUrls["kb"]!))
    }
    const row = (what: string, values: number[]) => {
      values.sort((a, b) => a - b)
      return [what, show(quantile(values, 0.5)), show(quantile(values, 0.99)), show(values.at(-1)!)]
    }
    const rows = [row("query refused", refused), row("answer to the end", answered), row("floor: terminate", floor)]
    const p99 = quantile(refused, 0.99)
    return {
      columns: ["from the end of the session", "p50 ms", "p99 ms", "worst ms"],
      rows,
      aims: [{ aim: `refused within 50 ms (p99 of ${sessions})`, value: `${show(p99)} ms`, isReached: p99 <= 50 }],
    }
  },
}

/** A connection at work: `refusedMs` is when a query of it failed. */
async function querying(
  settings: Parameters<typeof connected>[0],
): Promise<{ pid: number; refusedMs: Promise<number> }> {
  const client = await connected(settings)
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid")
  const asking = async () => {
    try {
      for (;;) await client.query("select count(*) from faq")
    } catch {
      return performance.now()
    }
  }
  return { pid: rows[0]!.pid, refusedMs: asking() }
}

async function terminated(url: string): Promise<number> {
  const superuser = await connected(url)
  const victim = await querying(url)
  const began = performance.now()
  const terminating = superuser.query("select pg_terminate_backend($1)", [victim.pid])
  const ms = (await victim.refusedMs) - began
  await terminating
  await superuser.end()
  return ms
}
