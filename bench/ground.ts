import type { Safeconduct } from "@safeconduct/sdk"
import { type Child, start } from "../stories/fixtures/child.ts"
import type { Document } from "../stories/fixtures/document.ts"
import { type Ground, openGround } from "../stories/fixtures/ground.ts"
import type { Order, Seen } from "./load.ts"
import { ask, type Usage } from "./usage.ts"

/** A deployment to measure: PostgreSQL that syncs, `serve` in a process of its own, one agent enrolled. */
export type BenchGround = Ground & {
  /**
   * Starts load in a process of its own, as an instance of the agent, with that many sessions of its own: over mutual TLS
   * at the agents' listener or another URL, or by tokens with DPoP proofs at the web listener.
   */
  load(sessions: number, how?: { url?: string; isByProof?: boolean }): Promise<Load>
  /** The same over mutual TLS as an agent that is there, with sessions that it has. */
  loadOf(agent: Safeconduct, sessions: string[]): Promise<Load>
  usage(): Promise<Usage>
  /** Samples the server's stack while the work lasts; returns the profile's file. */
  profiled(work: () => Promise<unknown>): Promise<string>
}

/** A process that asks. */
export type Load = { sessions: string[]; folder: string; play(order: Omit<Order, "name">): Promise<Seen> }

const AGENT = "bot"
const TOOL = { type: "tool", resource: "kb", operation: "search" }
const HOURS = 3_600
/** As the ground's servers call themselves. */
const ISSUER = "https://safeconduct.example.org"

/** Opens it with that many policies, one of which permits the tool that is asked for. */
export async function openBenchGround({ policies = 100, agents = [AGENT] } = {}): Promise<BenchGround> {
  await using stack = new AsyncDisposableStack()
  const long = { lifetimeSeconds: HOURS, hardEndSeconds: 2 * HOURS, idleSeconds: HOURS }
  const program = "../../bench/server"
  const ground = stack.use(await openGround({ program, isDurable: true, purposes: { answer: long }, agents }))
  await ground.apply(withTool(ground.document, policies))
  const server = ground.first.child
  const owned = stack.move()
  return {
    ...ground,
    async load(sessions, { url = ground.first.agentsUrl, isByProof = false } = {}) {
      const agent = await ground.enrolled(AGENT)
      const opened = await Promise.all(Array.from({ length: sessions }, () => agent.open({ purpose: "answer" })))
      const { folder } = agent.identity
      const ids = opened.map(({ id }) => id)
      const byCertificate = { LOAD_URL: url, LOAD_FOLDER: folder }
      const byProof = {
        LOAD_URL: ground.first.webUrl,
        LOAD_FOLDER: folder,
        LOAD_ISSUER: ISSUER,
        LOAD_SESSIONS: ids.join(" "),
      }
      const child = owned.use(start("../../bench/load", isByProof ? byProof : byCertificate))
      await child.said("ready")
      return { sessions: ids, folder, play: (order) => play(child, order) }
    },
    async loadOf({ identity: { folder } }, sessions) {
      const child = owned.use(start("../../bench/load", { LOAD_URL: ground.first.agentsUrl, LOAD_FOLDER: folder }))
      await child.said("ready")
      return { sessions, folder, play: (order) => play(child, order) }
    },
    usage: () => ask<Usage>(server, "usage"),
    async profiled(work) {
      await ask(server, "profile")
      await work()
      return (await ask<{ file: string }>(server, "stop")).file
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Bodies of `POST /v1/actions`: each session asks whether it may use the tool. */
export function toolActions(sessions: readonly string[]): string[] {
  const action = { ...TOOL, arguments: { query: "When are you open on Sundays?", limit: 5 } }
  return sessions.map((session) => JSON.stringify({ session, action }))
}

let orders = 0

async function play(child: Child, order: Omit<Order, "name">): Promise<Seen> {
  const name = `round-${++orders}`
  child.tell(JSON.stringify({ name, ...order }))
  return await child.said<Seen>(name)
}

/** The document with a tool that the agent may use, and so many policies in all. */
function withTool({ purposes, agents, policies, ...rest }: Document, count: number): Document {
  const uses = { type: "safeconduct_action", actions: [`tool:${TOOL.operation}`], locations: [TOOL.resource] }
  const { answer, ...others } = purposes as Record<string, { actions: object[] }>
  const bot = agents[AGENT]!
  return {
    ...rest,
    purposes: { ...others, answer: { ...answer, actions: [...answer!.actions, uses] } },
    agents: { ...agents, [AGENT]: { ...bot, ceiling: [...bot.ceiling, uses] } },
    policies: [...policies, { file: "tools.cedar", text: toolPolicies(count - policies.length) }],
  }
}

/** One permits the tool; the rest are of the usual kinds, scoped and conditional, and permit or forbid something else. */
function toolPolicies(count: number): string {
  const others = Array.from({ length: count - 1 }, (_, nth) =>
    nth % 10 === 0
      ? `@id("never-${nth}") forbid (principal, action == policy::Action::"http", resource == credentials::Resource::"site-${nth}") when { context.operation == "delete" };`
      : `@id("other-${nth}") permit (principal == agents::Agent::"agent-${nth}", action == policy::Action::"tool", resource) when { context.operation == "op-${nth}" };`,
  )
  const own = `@id("bot-searches") permit (principal == agents::Agent::"${AGENT}", action == policy::Action::"tool", resource) when { context.operation == "${TOOL.operation}" };`
  return [own, ...others].join("\n")
}
