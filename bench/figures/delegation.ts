import type { Safeconduct } from "@safeconduct/sdk"
import type { Figure } from "../figure.ts"
import { type BenchGround, type Load, openBenchGround } from "../ground.ts"
import { type Issuer, openIssuer } from "../issuer.ts"
import type { Seen } from "../load.ts"
import { callersOf, progress, type Round, show, showSpread, spreadOf } from "../measure.ts"

const CLIENTS = 64
const EXCHANGERS = 32
const INSTANCES = 16
/** The chain's agents, the first that a user delegates to first. */
const HOPS = ["bot", "hop-1", "hop-2", "hop-3"] as const
const KB = "kb"

/** What of it is asked, and what the session's mandate says of it. */
const kinds = {
  plain: { operation: "search", arguments: { query: "When are you open on Sundays?" } },
  sinks: { operation: "refund", arguments: { customer: "1001", amount: 20 } },
  counted: { operation: "pay", arguments: { customer: "1001", amount: 20 } },
} as const
type Kind = keyof typeof kinds

/** What acting for a user costs beside acting for nobody. */
export const delegation: Figure = {
  name: "delegation",
  title: "Decisions for a user, and down a chain",
  what: `POST /v1/actions for a tool under 100 policies by ${CLIENTS} clients over mutual TLS, as in the figure of decisions. The floor is the first row: an
agent for nobody, in the same run. Then for a user whom Cedar is asked about too; with two arguments that are verified, one against the user's claim; with those, and a limit on uses
and one on a sum that every decision counts in the database; and the plain tool in a session that was handed on once, twice and three times. Below it sessions a second, ${EXCHANGERS} at once by ${INSTANCES}
instances in the measuring process: opened for nobody (floor), and by exchange of a new ID token each, with their provider's word that the agent may act (ES256).`,
  async measure(pace) {
    await using ground = await openBenchGround({ agents: [...HOPS] })
    using issuer = await openIssuer("shop-client")
    await ground.apply(documentOf(ground, issuer))
    const agents = await Promise.all(HOPS.map((name) => ground.enrolled(name)))
    const [bot] = agents as [Safeconduct, ...Safeconduct[]]
    // Token requests are bounded by key: as an agent of many users has, so many instances.
    const instances = await Promise.all(times(INSTANCES, () => ground.enrolled(HOPS[0])))
    const exchange = async (agent: Safeconduct, nth: number) =>
      await agent.exchange({ purpose: "help", subjectToken: await issuer.idToken(`user-${nth % 8}`, "bot-there") })
    progress("delegation: opening sessions")
    const own = await Promise.all(times(CLIENTS, () => bot.open({ purpose: "answer" })))
    const users = await Promise.all(times(CLIENTS, (nth) => exchange(bot, nth)))
    const chained: { [hops: number]: string[] } = {}
    let last = users
    for (const [hops, agent] of agents.entries()) {
      if (hops === 0) continue
      last = await Promise.all(last.map(async (session) => agent.open(await session.delegate(onwards(hops)))))
      chained[hops] = last.map(({ id }) => id)
    }
    const rows: { what: string; load: Load; kind: Kind; rounds: Seen[] }[] = []
    const ownLoad = await ground.loadOf(bot, ids(own))
    const userLoad = await ground.loadOf(bot, ids(users))
    rows.push({ what: "for nobody", load: ownLoad, kind: "plain", rounds: [] })
    rows.push({ what: "for a user", load: userLoad, kind: "plain", rounds: [] })
    rows.push({ what: "… two arguments verified", load: userLoad, kind: "sinks", rounds: [] })
    rows.push({ what: "… and two limits counted", load: userLoad, kind: "counted", rounds: [] })
    for (const [hops, agent] of agents.entries()) {
      if (hops === 0) continue
      const load = await ground.loadOf(agent, chained[hops]!)
      rows.push({ what: `handed on ${hops}×`, load, kind: "plain", rounds: [] })
    }
    const play = async ({ load, kind }: (typeof rows)[number], seconds: number) => {
      const bodies = load.sessions.map((session) => bodyOf(session, kind))
      const seen = await load.play({ clients: CLIENTS, path: "/v1/actions", bodies, seconds })
      if (seen.refused > 0) throw new Error(`${seen.refused} of ${seen.count} requests were refused`)
      return seen
    }
    progress("delegation: warming up")
    for (const row of rows) await play(row, pace.isQuick ? 0.5 : 2)
    for (let round = 0; round < pace.rounds; round++) {
      progress(`delegation: round ${round + 1} of ${pace.rounds}`)
      for (const row of rows) row.rounds.push(await play(row, pace.seconds))
    }
    let count = 0
    const opened: Round[] = []
    const exchanged: Round[] = []
    for (let round = 0; round < pace.rounds; round++) {
      progress(`delegation: opening and exchanging, round ${round + 1}`)
      const next = () => instances[count++ % INSTANCES]!
      opened.push(await callersOf(EXCHANGERS, pace.seconds, () => next().open({ purpose: "answer" })))
      exchanged.push(await callersOf(EXCHANGERS, pace.seconds, () => exchange(next(), count)))
    }
    const base = perSecond(rows[0]!.rounds)
    const openings = [
      { what: "sessions opened for nobody, 32 at once", rounds: opened },
      { what: "token exchanges, 32 at once", rounds: exchanged },
    ]
    return {
      columns: ["what", "per second", "of the floor", "p50 ms", "p99 ms"],
      rows: [
        ...rows.map(({ what, rounds }) => [
          what,
          showSpread(spreadOf(rounds.map(rate))),
          show(perSecond(rounds) / base),
          ...waits(rounds),
        ]),
        ...openings.map(({ what, rounds }) => [
          what,
          showSpread(spreadOf(rounds.map((each) => each.perSecond))),
          show(median(rounds, (each) => each.perSecond) / median(opened, (each) => each.perSecond)),
          ...waits(rounds),
        ]),
      ],
      aims: [],
    }
  },
}

const rate = ({ count, seconds }: Seen) => count / seconds
const perSecond = (rounds: readonly Seen[]) => median(rounds, rate)

function median<T>(rounds: readonly T[], value: (round: T) => number): number {
  return spreadOf(rounds.map(value)).median
}

function waits(rounds: readonly { p50Ms: number; p99Ms: number }[]): string[] {
  return [show(median(rounds, ({ p50Ms }) => p50Ms)), showSpread(spreadOf(rounds.map(({ p99Ms }) => p99Ms)))]
}

function times<T>(count: number, make: (nth: number) => T): T[] {
  return Array.from({ length: count }, (_, nth) => make(nth))
}

function ids(sessions: readonly { id: string }[]): string[] {
  return sessions.map(({ id }) => id)
}

function bodyOf(session: string, kind: Kind): string {
  const { operation, arguments: given } = kinds[kind]
  return JSON.stringify({ session, action: { type: "tool", resource: KB, operation, arguments: given } })
}

/** What is handed on at that hop: the plain tool, and to hand it on further. */
function onwards(hops: number) {
  const details = [uses(kinds.plain.operation)]
  if (hops < HOPS.length - 1) details.push(handing(...HOPS.slice(hops + 1)))
  return { agent: HOPS[hops]!, purpose: "help", authorizationDetails: details }
}

function uses(operation: string, more: object = {}) {
  return { type: "safeconduct_action" as const, actions: [`tool:${operation}`], locations: [KB], ...more }
}

function handing(...to: string[]) {
  return { type: "safeconduct_action" as const, actions: ["delegate:help"], locations: to }
}

function documentOf({ document }: BenchGround, { issuer }: Issuer) {
  const rules = { customer: [{ userClaim: "customer" }], amount: [{ atMost: 50 }] }
  const limits = [{ uses: 1_000_000_000 }, { sum: "amount", atMost: 1_000_000_000_000 }]
  const tools = [
    uses(kinds.plain.operation),
    uses(kinds.sinks.operation, { arguments: rules }),
    uses(kinds.counted.operation, { arguments: rules, limits }),
  ]
  const all = [...tools, handing(...HOPS.slice(1))]
  const session = { lifetimeSeconds: 3_600, hardEndSeconds: 7_200, idleSeconds: 3_600 }
  const { answer } = document.purposes as { answer: { actions: object[] } }
  const others = Array.from({ length: 96 }, (_, nth) => other(nth)).join("\n")
  return {
    ...document,
    providers: {
      shop: {
        issuer,
        network: "loopback",
        clientId: "safeconduct",
        claims: { customer: "customer_id" },
        delegatedTokens: { agents: { "bot-there": "bot" } },
      },
    },
    applications: { shop: { description: "The shop", agents: ["bot"], providers: { shop: ["shop-client"] } } },
    purposes: {
      answer: { ...answer, actions: [...answer.actions, uses(kinds.plain.operation)], session },
      help: { description: "Help", actions: all, consent: "required", chain: { maxDepth: 3 }, session },
    },
    agents: Object.fromEntries(
      Object.entries(document.agents).map(([name, agent]) => [
        name,
        { ...agent, purposes: ["answer", "help"], ceiling: [...agent.ceiling, ...all] },
      ]),
    ),
    policies: [{ file: "bench.cedar", text: `${PERMITS}\n${others}` }],
  }
}

const PERMITS = `@id("agents") permit (principal is agents::Agent, action, resource);
@id("customers") permit (principal is sessions::User, action, resource) when { principal.hasTag("customer") };`

/** Of the usual kinds, and about something else. */
function other(nth: number): string {
  return nth % 10 === 0
    ? `@id("never-${nth}") forbid (principal, action == policy::Action::"http", resource == credentials::Resource::"site-${nth}") when { context.operation == "delete" };`
    : `@id("other-${nth}") permit (principal == agents::Agent::"agent-${nth}", action == policy::Action::"tool", resource) when { context.operation == "op-${nth}" };`
}
