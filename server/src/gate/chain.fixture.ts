import type { AgentPrincipal } from "#agents"
import type { Document } from "#policy"
import type { ActionDetail, Delegation, Session } from "#sessions"
import { type HandOnRequest, handOn, takeUp } from "./delegate.ts"
import { openTestGate, type TestGate } from "./fixture.ts"
import { openSession } from "./open.ts"
import type { Rooms } from "./rooms.ts"

/** To read and to write at `kb`, and to ask there. */
export const work: ActionDetail = {
  type: "safeconduct_action",
  actions: ["credential:read", "credential:write", "tool:ask"],
  locations: ["kb"],
}
/** The part of it that is mostly handed on. */
export const reading: ActionDetail = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
/** To hand on for that purpose to those agents. */
export const handing = (purpose: string, ...locations: string[]): ActionDetail => ({
  type: "safeconduct_action",
  actions: [`delegate:${purpose}`],
  locations,
})

const all = [work, handing("ship", "shipper", "carrier", "bot"), handing("deliver", "carrier", "bot", "shipper")]
const purpose = (description: string, more: object = {}) => ({ description, actions: all, ...more })
const agent = (...purposes: string[]) => ({ owner: "owner@example.org", purposes, ceiling: all })

/** `bot` answers, `shipper` ships for it, `carrier` delivers for `shipper`; chains of two. */
export const chained = {
  purposes: {
    answer: purpose("Answer questions", { chain: { maxDepth: 2 } }),
    ship: purpose("Ship an order"),
    deliver: purpose("Deliver a parcel"),
  },
  agents: { bot: agent("answer", "ship", "deliver"), shipper: agent("ship"), carrier: agent("deliver") },
  policies: [{ file: "all.cedar", text: `@id("all") permit (principal, action, resource);` }],
}

/** A gate with the three agents, each with one instance. */
export type TestChain = AsyncDisposable & {
  gate: TestGate
  rooms: Rooms
  bot: AgentPrincipal
  shipper: AgentPrincipal
  carrier: AgentPrincipal
  /** Applies the configuration with parts replaced. */
  apply(part?: { [part in keyof Document]?: unknown }): Promise<void>
  /** A session of the bot's, for Alice where a delegation is given. */
  root(delegation?: Delegation): Promise<Session>
  /** What is handed on from a session, offered only. */
  offer(from: Session, to: AgentPrincipal, more?: Partial<HandOnRequest>, by?: Rooms): Promise<string>
  /** The same, taken up. */
  beneath(from: Session, to: AgentPrincipal, more?: Partial<HandOnRequest>): Promise<Session>
}

/** Opens it. */
export async function openTestChain(): Promise<TestChain> {
  const gate = await openTestGate()
  const { rooms, bot } = gate
  const apply: TestChain["apply"] = (part = {}) => gate.apply({ ...chained, ...part } as Partial<Document>)
  await apply()
  const [shipper, carrier] = [await gate.instance("shipper"), await gate.instance("carrier")]
  const callers = new Map([bot, shipper, carrier].map((each) => [each.name, each]))
  const offer: TestChain["offer"] = async (from, to, more = {}, by = rooms) => {
    const wanted = { agent: to.name, purpose: to.name === "carrier" ? "deliver" : "ship", details: [reading], ...more }
    return (await handOn(by, callers.get(from.agent)!, { session: from.id, ...wanted })).id
  }
  return {
    gate,
    rooms,
    bot,
    shipper,
    carrier,
    apply,
    root: async (delegation) => (await openSession(rooms, bot, { purpose: "answer", delegation })).session,
    offer,
    beneath: async (from, to, more) => (await takeUp(rooms, to, { delegation: await offer(from, to, more) })).session,
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}
