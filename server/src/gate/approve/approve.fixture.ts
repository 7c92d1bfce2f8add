import assert from "node:assert/strict"
import type { AgentPrincipal } from "#agents"
import type { Approval, Proven } from "#approvals"
import type { Json } from "#kernel"
import type { Delegation, User } from "#sessions"
import { type Acted, act } from "../act.ts"
import { openTestGate, type TestGate } from "../fixture.ts"
import { openSession } from "../open.ts"
import type { Rooms } from "../rooms.ts"

/** An HR agent that a policy makes ask, and Alice, for whom it acts. */
export interface TestApproving extends AsyncDisposable {
  gate: TestGate
  rooms: Rooms
  alice: User
  /** A session of the agent for a user; Alice unless told. */
  session(user?: User, caller?: AgentPrincipal): Promise<string>
  /** Asks for a raise; `more` names an approval, a key, another session's caller. */
  raise(session: string, given?: { [name: string]: Json }, more?: More): Promise<Acted>
  /** Somebody who signed in at the provider. */
  person(sub: string): Promise<User>
  /** Decides as that person, with a proof that is taken for verified. */
  decide(
    approval: string,
    person: User,
    decision?: "approve" | "deny" | "report",
    way?: Proven["way"],
  ): Promise<Approval>
}

/** What else a request for an action says. */
export type More = { approval?: string | undefined; key?: string; caller?: AgentPrincipal; rooms?: Rooms }

const detail = { type: "safeconduct_action", actions: ["tool:raise", "tool:look", "tool:onboard"], locations: ["hr"] }
const policies = `
  @id("all") permit (principal, action, resource);
  @id("raises-are-signed") @ask("user") @reason("A salary changes.")
  forbid (principal, action, resource) when { context.operation == "raise" } unless { context.approved };`

/** The configuration: a tool of the HR department. */
export const approving = {
  providers: {
    hr: { issuer: "https://id.example", clientId: "safeconduct", clientAuthentication: "private_key_jwt" },
  },
  purposes: { answer: { description: "Do HR work", actions: [detail], session: {} } },
  resources: {
    hr: {
      engine: "tools",
      description: "The HR department's tool",
      operations: {
        raise: { elevated: "money", description: "raise a salary", card: { en: "Raise {employee} to {amount}" } },
        look: {},
        onboard: { elevated: "people" },
      },
    },
  },
  agents: { bot: { owner: "owner@example.org", purposes: ["answer"], ceiling: [detail] } },
  policies: [{ file: "hr.cedar", text: policies }],
  // Tests ask more often than people are.
  approvals: { pacing: { perPersonPerMinute: 1000, perAgentPerHour: 1000, bulk: 1000, denialsToCoolOff: 100 } },
}

/** What a raise is asked with. */
export const aRaise = { employee: "E-7", amount: 5200 }

/** Opens it. `more` replaces parts of the configuration, and `details` what users grant. */
export async function openTestApproving({
  details = [detail],
  ...more
}: {
  details?: object[]
  [part: string]: unknown
} = {}): Promise<TestApproving> {
  await using stack = new AsyncDisposableStack()
  const gate = stack.use(await openTestGate())
  const { rooms } = gate
  await gate.apply({ ...approving, ...more } as never)
  const person = async (sub: string): Promise<User> => {
    const seen = { provider: "hr", iss: "https://id.example", sub, claims: {} }
    return (await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))).result
  }
  const alice = await person("alice")
  const owned = stack.move()
  return {
    gate,
    rooms,
    alice,
    person,
    async session(user = alice, caller = gate.bot) {
      const by = { kind: "provider", claim: "may_act", tokenDigest: "t" } as const
      const granted = { application: null, details, requestText: null, parameters: {}, providerSession: null }
      const delegation = { user, by, ...granted } as unknown as Delegation
      return (await openSession(rooms, caller, { purpose: "answer", delegation })).session.id
    },
    raise(session, given = aRaise, { approval, key, caller = gate.bot, rooms: through = rooms } = {}) {
      const action = { type: "tool", resource: "hr", operation: "raise", arguments: given } as const
      return act(through, caller, { session, action, idempotencyKey: key ?? null, approval })
    },
    async decide(id, { id: user, provider, sub }, decision = "approve", way = "passkey") {
      const proven = { way, evidence: { test: true } }
      const by = { id, person: { id: user, provider, sub }, decision, proven, statement: null }
      return (await rooms.audit.commit(rooms.approvals.decide(by))).result
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The request that an answer waits for. */
export function heldOf({ decision, held }: Pick<Acted, "decision" | "held">): Approval {
  assert.equal(decision.verdict, "ask")
  return held!
}
