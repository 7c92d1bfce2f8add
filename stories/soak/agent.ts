/**
 * An agent's process: tasks by chance, a few at a time and at a bounded rate, through the SDK and, for what the SDK would
 * not do, beside it. What it is answered it writes down. It ends when its standard input does.
 */
import { setTimeout as delay } from "node:timers/promises"
import { connect, type Safeconduct, SafeconductError } from "@safeconduct/sdk"
import { openNotebook } from "./observations.ts"
import { readOrder } from "./processes.ts"
import { chanceFrom } from "./random.ts"
import { type Desk, tasks } from "./tasks.ts"

/** What an agent's process is told. */
export type AgentOrder = {
  seed: number
  /** The agents' listeners of both servers; the first is where it connects. */
  urls: readonly [string, string]
  /** Where it works by tokens with DPoP proofs, if it does. */
  webUrl?: string
  folder: string
  joinToken?: string
  notebook: string
  resources: readonly string[]
  leasesPerSession: number
  /** Calls a second. */
  rate: number
}

const TASKS_AT_ONCE = 4

const order = await readOrder<AgentOrder>()
const write = openNotebook(order.notebook)
const chance = chanceFrom(order.seed)

const safeconduct = await start()
write({ kind: "enrolled", instance: safeconduct.instance })
process.stdout.write(`${JSON.stringify({ step: "working" })}\n`)

let allowedAtMs = Date.now()
/** Resolves when the next call may be made. */
const pace = async () => {
  const now = Date.now()
  // What was not used while a server was away is not made up for.
  allowedAtMs = Math.max(allowedAtMs, now - 1_000) + 1_000 / order.rate
  await delay(Math.max(0, allowedAtMs - now))
}
const desk: Desk = { safeconduct, order, chance, write, pace }

const work = async () => {
  for (;;) {
    const task = chance.pick(tasks)
    try {
      await task(desk)
    } catch (error) {
      // A bug of this program ends it, and the soak says so.
      if (!(error instanceof SafeconductError)) throw error
      write({ kind: "refused", call: task.name, code: error.code })
      await delay(200)
    }
  }
}
await Promise.all(Array.from({ length: TASKS_AT_ONCE }, work))

/** Enrols, or comes back; an agent that is suspended just now is resumed soon. */
async function start(): Promise<Safeconduct> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect({
        url: order.urls[0],
        folder: order.folder,
        ...(order.webUrl && { webUrl: order.webUrl }),
        ...(order.joinToken && { joinToken: order.joinToken }),
        onProblem: (problem) => write({ kind: "refused", call: "background", code: problem.code }),
      })
    } catch (error) {
      if (tries === 20 || !(error instanceof SafeconductError)) throw error
      await delay(500)
    }
  }
}
