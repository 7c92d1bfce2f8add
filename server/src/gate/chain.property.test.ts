import assert from "node:assert/strict"
import { after, test } from "node:test"
import fc from "fast-check"
import type { AgentPrincipal } from "#agents"
import { Refusal } from "#kernel"
import { type ActionDetail, parseDetails, type Session } from "#sessions"
import { handing, openTestChain } from "./chain.fixture.ts"
import { handOn, takeUp } from "./delegate.ts"
import { endSession } from "./end.ts"
import { judge } from "./judge.ts"
import { openSession, renewSession } from "./open.ts"

const chain = await openTestChain()
after(() => chain[Symbol.asyncDispose]())
const { rooms, gate, bot, shipper, carrier } = chain

/** Tools that may be allowed, and who may come after whom. */
const TOOLS = ["look", "pay", "tell", "send"] as const
type Tool = (typeof TOOLS)[number]
const order = ["bot", "shipper", "carrier"] as const
type Name = (typeof order)[number]
const callers: Record<Name, AgentPrincipal> = { bot, shipper, carrier }
const purposes: Record<Name, string> = { bot: "answer", shipper: "ship", carrier: "deliver" }

const hands = [handing("ship", "shipper"), handing("deliver", "carrier")]
const detailsOf = (tools: readonly Tool[]): ActionDetail[] => [
  ...(tools.length === 0
    ? []
    : [{ type: "safeconduct_action" as const, actions: tools.map((tool) => `tool:${tool}`), locations: ["kb"] }]),
  ...hands,
]

const tools = fc.oneof(
  { weight: 1, arbitrary: fc.constant([...TOOLS]) },
  { weight: 2, arbitrary: fc.subarray([...TOOLS], { minLength: 1 }) },
)
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ does: fc.constant("open" as const), granted: tools }) },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant("hand-on" as const), from: fc.nat(), wanted: tools, modesty: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("renew" as const), which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("bound" as const), agent: fc.constantFrom(...order), to: tools }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("end" as const), which: fc.nat() }) },
)

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

/** A session as the test knows it: by what it was told, never by what the server compiled. */
type Known = { session: Session; name: Name; parent: Known | null; told: ReadonlySet<Tool>; isOpen: boolean }

const lineage = (of: Known): Known[] => [...(of.parent === null ? [] : lineage(of.parent)), of]

test("whatever is opened, handed on, renewed, bounded and ended: nothing is allowed outside of parent, user and ceilings", async () => {
  const user = (
    await rooms.audit.commit(
      rooms.sessions.rememberUser(
        { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: {} },
        "server",
      ),
    )
  ).result
  let [handed, allowed, deepest] = [0, 0, 0]
  const play = async (steps: Step[]) => {
    const known: Known[] = []
    const ceilings = new Map<Name, ReadonlySet<Tool>>(order.map((name) => [name, new Set(TOOLS)]))
    const apply = async () => {
      const agent = (name: Name) => ({
        ...{ owner: "owner@example.org", purposes: [purposes[name]] },
        ceiling: detailsOf([...ceilings.get(name)!]),
      })
      const purpose = { description: "A purpose", actions: detailsOf(TOOLS), chain: { maxDepth: 2 } }
      await chain.apply({
        purposes: { answer: purpose, ship: purpose, deliver: purpose },
        agents: { bot: agent("bot"), shipper: agent("shipper"), carrier: agent("carrier") },
      })
    }
    await apply()
    for (const each of steps) {
      const [at, open] = [
        "from" in each ? each.from : "which" in each ? each.which : 0,
        known.filter(({ isOpen }) => isOpen),
      ]
      const chosen = open.length === 0 ? null : open[at % open.length]!
      switch (each.does) {
        case "open": {
          const told = new Set(each.granted)
          const delegation = {
            ...{
              user,
              application: null,
              details: parseDetails(detailsOf(each.granted)),
              requestText: null,
              parameters: {},
            },
            ...{ by: { kind: "provider", claim: "may_act", tokenDigest: "digest" } as const, providerSession: null },
          }
          const { session } = await openSession(rooms, bot, { purpose: "answer", delegation })
          known.push({ session, name: "bot", parent: null, told, isOpen: true })
          break
        }
        case "hand-on": {
          const name = chosen === null ? undefined : order[order.indexOf(chosen.name) + 1]
          if (chosen === null || name === undefined) break
          try {
            // Mostly what it has itself: other requests are refused.
            const asked = each.modesty > 0 ? each.wanted.filter((tool) => chosen.told.has(tool)) : each.wanted
            const wanted = { agent: name, purpose: purposes[name], details: detailsOf(asked) }
            const offer = await handOn(rooms, callers[chosen.name], { session: chosen.session.id, ...wanted })
            const { session } = await takeUp(rooms, callers[name], { delegation: offer.id })
            known.push({ session, name, parent: chosen, told: new Set(asked), isOpen: true })
            handed += 1
            deepest = Math.max(deepest, session.chain.length)
          } catch (error) {
            // What is more than the parent has is refused, as a whole.
            assert.ok(error instanceof Refusal && error.code === "delegation-too-wide", String(error))
          }
          break
        }
        case "renew":
          if (chosen !== null) {
            const { session } = await renewSession(rooms, callers[chosen.name], chosen.session.id)
            for (const above of lineage(chosen).slice(0, -1)) assert.ok(session.hardEndAt <= above.session.hardEndAt)
          }
          break
        case "bound":
          ceilings.set(each.agent, new Set(each.to))
          await apply()
          break
        case "end":
          if (chosen !== null) await endSession(rooms, chosen.session.id, "ended", "server")
          for (const one of known) if (chosen !== null && lineage(one).includes(chosen)) one.isOpen = false
      }
      for (const one of known) {
        const standing = await rooms.sessions.standing(one.session.id, callers[one.name]).catch(() => null)
        assert.equal(standing !== null, one.isOpen)
        if (standing === null) continue
        for (const tool of TOOLS) {
          const action = { type: "tool", resource: "kb", operation: tool, arguments: {} } as const
          if (judge(rooms, callers[one.name], standing, action).verdict !== "allow") continue
          allowed += 1
          for (const { told, name } of lineage(one)) assert.ok(told.has(tool) && ceilings.get(name)!.has(tool), tool)
        }
      }
    }
    for (const { session } of known) await endSession(rooms, session.id, "ended", "server")
  }
  const all = [...TOOLS]
  const examples: [Step[]][] = [
    [
      [
        { does: "open", granted: all },
        { does: "hand-on", from: 0, wanted: all, modesty: 1 },
        { does: "hand-on", from: 1, wanted: ["look"], modesty: 0 },
        { does: "bound", agent: "shipper", to: ["pay"] },
      ],
    ],
  ]
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 24 }), play), { numRuns: 12, examples })
  // It would hold of nothing as well.
  assert.ok(handed > 2 && allowed > 20 && deepest === 2, `${handed} handed on, ${allowed} allowed, ${deepest} deep`)
  assert.equal(gate.resource.accounts.size, 0)
})
