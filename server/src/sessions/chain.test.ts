import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Refusal, refusalCode } from "#kernel"
import { type ActionDetail, narrower } from "./action-details.ts"
import { attenuate, type HandingOn } from "./chain.ts"
import { compile } from "./mandate.ts"
import { allows } from "./mandates/verify.ts"
import { type Purpose, parsePurposes } from "./purposes.ts"
import type { Hop, Session } from "./session.ts"
import type { Standing } from "./standings.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const may = (actions: string[], locations: string[], more: Partial<ActionDetail> = {}): ActionDetail => ({
  type: "safeconduct_action",
  actions,
  locations,
  ...more,
})
const all = [may(["tool:look", "tool:pay", "tool:tell"], ["shop", "bank"])]
const purposeOf = (name: string, actions: ActionDetail[], more: object = {}): Purpose => {
  const [definition] = Object.values(parsePurposes({ [name]: { description: "A purpose", actions, ...more } }))
  return { ...definition!, name }
}

/** An open session of the agent, as far as it is looked at here. */
function standingOf(agent: string, details: ActionDetail[], more: { chain?: Hop[]; maxDepth?: number } = {}): Standing {
  const session = {
    id: `session_${agent}`,
    agent,
    instance: `instance_${agent}`,
    purpose: "help",
    chain: more.chain ?? [],
  }
  const ancestors = session.chain.map((hop) => ({ session: { ...session, ...hop }, mandate: {} }))
  const mandate = { details, user: null, maxDepth: more.maxDepth ?? 8 }
  return { session: session as unknown as Session, mandate, ancestors } as unknown as Standing
}

const handing = (more: Partial<HandingOn> = {}): HandingOn => ({
  parent: standingOf("one", all),
  to: { name: "two", purposes: ["track"], ceiling: all },
  purpose: purposeOf("track", all),
  requested: [may(["tool:look"], ["shop"])],
  maxDepthNow: 8,
  ...more,
})

test("what is handed on is what was asked for, with the rules of everybody who bounds it", () => {
  const bounded = (name: string) => [
    may(["tool:look", "tool:pay"], ["shop"], { arguments: { [name]: [{ constant: 1 }] } }),
  ]
  const { details, chain, maxDepth } = attenuate(
    handing({
      parent: standingOf("one", bounded("parent"), { maxDepth: 3 }),
      to: { name: "two", purposes: ["track"], ceiling: bounded("ceiling") },
      purpose: purposeOf("track", bounded("template")),
      requested: [may(["tool:look"], ["shop"], { arguments: { asked: [{ constant: 1 }] } })],
      maxDepthNow: 2,
    }),
  )
  assert.deepEqual(Object.keys(details[0]!.arguments!).sort(), ["asked", "ceiling", "parent", "template"])
  assert.deepEqual([details.length, details[0]!.actions, details[0]!.locations], [1, ["tool:look"], ["shop"]])
  assert.deepEqual(chain, [{ session: "session_one", agent: "one", instance: "instance_one" }])
  assert.equal(maxDepth, 2)
})

test("what cannot be handed on is refused, and not left out of what is", () => {
  const looking = [may(["tool:look"], ["shop", "bank"])]
  for (const [what, more] of [
    ["The mandate of the session", { parent: standingOf("one", looking) }],
    ["The ceiling of agent two", { to: { name: "two", purposes: ["track"], ceiling: looking } }],
    ["The purpose track", { purpose: purposeOf("track", looking) }],
  ] as const) {
    const requested = [may(["tool:look"], ["shop"]), may(["tool:pay"], ["shop"])]
    assert.throws(() => attenuate(handing({ requested, ...more })), {
      code: "delegation-too-wide",
      message: new RegExp(`^${what}.* does not include tool:pay at shop`),
    })
  }
  // Each allows something there, and nothing together: rules that cannot both hold are kept, and no action meets them.
  const only = (constant: number) => [may(["tool:pay"], ["shop"], { arguments: { amount: [{ constant }] } })]
  const { details } = attenuate(handing({ parent: standingOf("one", only(1)), requested: only(2) }))
  for (const amount of [1, 2]) {
    assert.equal(allows(details, { type: "tool", operation: "pay", resource: "shop", arguments: { amount } }), false)
  }
  assert.throws(() => attenuate(handing({ requested: [] })), refusesWith("purpose-not-allowed"))
  assert.throws(
    () => attenuate(handing({ to: { name: "two", purposes: [], ceiling: all } })),
    refusesWith("purpose-not-allowed"),
  )
  assert.throws(() => attenuate(handing({ to: { name: "two", purposes: ["track"], ceiling: "broken" } })), Refusal)
})

test("no more is looked for at once than an agent can reasonably mean", () => {
  const numbered = (of: string, count: number) => Array.from({ length: count }, (_, nth) => `${of}${nth}`)
  const wide = [may(numbered("tool:t", 33), numbered("place", 32))]
  const more = { parent: standingOf("one", wide), purpose: purposeOf("track", wide), requested: wide }
  const asked = handing({ ...more, to: { name: "two", purposes: ["track"], ceiling: wide } })
  assert.throws(() => attenuate(asked), { code: "delegation-too-wide", message: /1024/ })
  const less = [may(numbered("tool:t", 32), numbered("place", 32))]
  assert.equal(attenuate({ ...asked, requested: less }).details.length, 1)
})

test("a chain becomes no longer than its first mandate says, nor than its first purpose says now", () => {
  const chain = [{ session: "session_zero" as const, agent: "zero", instance: "instance_zero" }]
  const at = (maxDepth: number, maxDepthNow: number) => () =>
    attenuate(handing({ parent: standingOf("one", all, { chain, maxDepth }), maxDepthNow }))
  assert.equal(at(2, 2)().chain.length, 2)
  assert.throws(at(1, 2), refusesWith("chain-too-deep"))
  assert.throws(at(2, 1), refusesWith("chain-too-deep"))
  assert.throws(at(0, 8), refusesWith("chain-too-deep"))
})

test("nothing goes back to an agent of the chain, to itself neither", () => {
  const chain = [{ session: "session_zero" as const, agent: "zero", instance: "instance_zero" }]
  for (const name of ["zero", "one"]) {
    const to = { name, purposes: ["track"], ceiling: all }
    assert.throws(
      () => attenuate(handing({ parent: standingOf("one", all, { chain }), to })),
      refusesWith("chain-cycle"),
    )
  }
})

test("a purpose that demands a user is for nobody's session but a user's", () => {
  const purpose = purposeOf("track", all, { consent: "required" })
  assert.throws(() => attenuate(handing({ purpose })), refusesWith("consent-required"))
  const parent = standingOf("one", all)
  Object.assign(parent.mandate, { user: { id: "user_1" } })
  assert.equal(attenuate(handing({ purpose, parent })).details.length, 1)
})

const rule = fc.oneof(
  fc.integer({ min: 0, max: 3 }).map((constant) => ({ constant })),
  fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }).map((oneOf) => ({ oneOf })),
  fc.integer({ min: 0, max: 3 }).map((atMost) => ({ atMost })),
)
const rules = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc
      .record({ amount: fc.array(rule, { minLength: 1, maxLength: 2 }) })
      .map((given) => ({ arguments: given })),
  },
)
const [tools, places] = [
  ["tool:look", "tool:pay", "tool:tell"],
  ["shop", "bank"],
]
const some = (of: string[]) => fc.subarray(of, { minLength: 1 })
const detail = fc
  .tuple(some(tools), some(places), rules)
  .map(([actions, locations, more]) => may(actions, locations, more))
/** Mostly wide, so that chains become long. */
const bound = fc.oneof(
  { weight: 2, arbitrary: fc.constant(all) },
  { weight: 3, arbitrary: fc.array(detail, { minLength: 1, maxLength: 3 }) },
)
/** Which part of what the parent has is asked for, and what is demanded beside; sometimes anything. */
const wish = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.nat(), fc.nat(), fc.nat(), rules) },
  { weight: 1, arbitrary: detail },
)
const hop = fc.record({ ceiling: bound, template: bound, wishes: fc.array(wish, { minLength: 1, maxLength: 2 }) })
const actions = tools.flatMap((tool) =>
  places.flatMap((resource) =>
    [0, 1, 2, 3, undefined].map((amount) => ({
      ...{ type: "tool", operation: tool.slice("tool:".length), resource },
      ...(amount === undefined ? {} : { arguments: { amount } }),
    })),
  ),
)

function requestOf(
  wish: ActionDetail | [number, number, number, object],
  parent: readonly ActionDetail[],
): ActionDetail {
  if (!Array.isArray(wish)) return wish
  const [which, action, location, more] = wish
  const of = parent[which % parent.length]!
  return may([of.actions[action % of.actions.length]!], [of.locations[location % of.locations.length]!], more)
}

test("no chain allows an action that any mandate, ceiling, template, grant or request of it does not (pitfall 21)", () => {
  const lengths = [0, 0, 0, 0, 0]
  const property = fc.property(
    bound,
    bound,
    bound,
    fc.array(hop, { minLength: 1, maxLength: 4 }),
    (template, ceiling, grant, hops) => {
      const root = purposeOf("help", template, { chain: { maxDepth: 4 } })
      let details: ActionDetail[]
      try {
        details = compile(root, [
          { name: "The ceiling", details: ceiling },
          { name: "The grant", details: grant },
        ])
      } catch {
        return
      }
      let standing = standingOf("agent-0", details, { maxDepth: 4 })
      const bounds: unknown[] = [template, ceiling, grant, details]
      for (const [nth, { ceiling: own, template: sub, wishes }] of hops.entries()) {
        const requested = wishes.map((each) => requestOf(each, standing.mandate.details))
        const to = { name: `agent-${nth + 1}`, purposes: ["track"], ceiling: own }
        let attenuated: ReturnType<typeof attenuate>
        try {
          attenuated = attenuate({ parent: standing, to, purpose: purposeOf("track", sub), requested, maxDepthNow: 4 })
        } catch (error) {
          assert.match(refusalCode(error) ?? String(error), /^(delegation-too-wide|purpose-not-allowed)$/)
          return
        }
        bounds.push(own, sub, requested)
        for (const action of actions.filter((each) => allows(attenuated.details, each))) {
          for (const outer of bounds) assert.ok(allows(outer, action))
        }
        // Nothing that was asked for is missing.
        for (const { actions: wanted, locations } of requested) {
          for (const one of wanted) {
            for (const place of locations) {
              const isThere = attenuated.details.some(
                (each) => each.actions.includes(one) && each.locations.includes(place),
              )
              assert.ok(isThere, `${one} at ${place}`)
            }
          }
        }
        assert.ok(narrower(attenuated.details, details))
        bounds.push(attenuated.details)
        standing = standingOf(to.name, attenuated.details, { chain: attenuated.chain, maxDepth: attenuated.maxDepth })
        lengths[nth + 1]! += 1
      }
    },
  )
  fc.assert(property, { numRuns: 500 })
  // Chains came about: all of this would hold of none.
  assert.ok(lengths[1]! > 50 && lengths[2]! > 10 && lengths[3]! > 0, lengths.join())
})
