import { setTimeout as delay } from "node:timers/promises"
import type { EmbeddedPostgres } from "@safeconduct/server/programs"
import type { Deployment } from "./deployment.ts"
import { type Chance, shuffled } from "./random.ts"

/** One thing that was broken, and how long it took until both servers were ready again. */
export type Kill = { atMs: number; what: string; readyMs: number | null }

/** Breaks one thing after another, by chance, each kind as often as any other. */
export type Breaker = { next(): Promise<Kill> }

/** How long a deployment may take to be ready again. */
const READY_MS = 90_000

/** `killAgent` kills a process of agents, and starts another. */
export function openBreaker(deployment: Deployment, chance: Chance, killAgent: () => Promise<string>): Breaker {
  const { servers, own, resources, ready } = deployment
  const postgres = async (each: EmbeddedPostgres, name: string, signal: "SIGKILL" | "SIGQUIT") => {
    const before = each.pid
    process.kill(before, signal)
    // Whoever supervises it starts it again.
    for (const deadline = Date.now() + READY_MS; each.pid === before && Date.now() < deadline; ) await delay(20)
    return `${name} PostgreSQL ${signal === "SIGKILL" ? "killed" : "stopped at once"}`
  }
  const server = () => chance.between(0, 1)
  const resource = () => chance.pick(Object.entries(resources))
  const kinds: (() => Promise<string>)[] = [
    async () => {
      const nth = server()
      await servers[nth]!.kill()
      return `server ${nth} killed`
    },
    async () => {
      const [nth, ms] = [server(), chance.between(1_500, 8_000)]
      await servers[nth]!.pause(ms)
      return `server ${nth} paused for ${ms} ms`
    },
    killAgent,
    () => postgres(own, "our", "SIGKILL"),
    () => postgres(own, "our", "SIGQUIT"),
    async () => {
      const [name, each] = resource()
      return await postgres(each, `resource ${name}'s`, "SIGKILL")
    },
    async () => {
      const [name, each] = resource()
      return await postgres(each, `resource ${name}'s`, "SIGQUIT")
    },
  ]
  const order = shuffled(kinds, chance)
  return {
    async next() {
      const atMs = Date.now()
      const what = await order.next().value()
      return { atMs, what, readyMs: (await ready(READY_MS)) ? Date.now() - atMs : null }
    },
  }
}
