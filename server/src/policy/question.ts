import type { Json } from "#kernel"

/** What an action is, and the name of the Cedar action that it is asked as. */
export type ActionType = "credential" | "tool" | "sql" | "http" | "delegate"

/** A user as policies know them: by a random id, and by the claims that their provider's configuration maps. */
export type AskedUser = { id: string; provider?: string; claims?: { readonly [name: string]: readonly string[] } }

/** Who must be allowed: the user, if there is one, and each agent of the chain. `id` is the name Cedar knows. */
export type Asked = { kind: "agent"; id: string } | ({ kind: "user" } & AskedUser)

/** What the argument checker found of one sink. */
export type SinkFinding = "verified" | "failed" | "unverifiable"

/** What an operation does that people want to hear of: moves money, concerns people, changes who may do what, or goes out to others. */
export type Elevated = "money" | "people" | "permissions" | "publication"

/** What the gate found out before it asked: small and enumerable, so that questions repeat. */
export type Facts = {
  /** An approval for exactly this action is at hand. */
  approved: boolean
  labels: readonly string[]
  sinks: { readonly [sink: string]: SinkFinding }
  hasUser: boolean
  /** Agents in the delegation chain. */
  hops: number
  requestText: "none" | "consent" | "application" | "passkey"
  /** What the operation is, as its resource's configuration says; "" for one of which it says nothing. */
  elevated: Elevated | ""
  /** Nobody can take it back. */
  irreversible: boolean
}

/** One question for policy: a value without identity or time, so that its answer may be remembered. */
export type Question = {
  principals: readonly Asked[]
  action: { type: ActionType; resource: string; operation: string }
  purpose: string
  facts: Facts
}

/** What the gate knows when it asks. `agents` is the chain, newest last. */
export type Asking = {
  agents: readonly string[]
  user?: AskedUser | null
  purpose: string
  action: { type: ActionType; resource: string; operation: string }
  approved?: boolean
  labels?: readonly string[]
  sinks?: { readonly [sink: string]: SinkFinding }
  requestText?: Facts["requestText"]
  elevated?: Elevated | null
  irreversible?: boolean
}

/** The question in its one form: equal askings give equal questions, whatever the order of labels and sinks. */
export function question(asking: Asking): Question {
  const { agents, user = null, purpose, action } = asking
  return {
    principals: [
      ...(user === null ? [] : [asked(user)]),
      ...[...new Set(agents)].map((id) => ({ kind: "agent" as const, id })),
    ],
    action: { type: action.type, resource: action.resource, operation: action.operation },
    purpose,
    facts: {
      approved: asking.approved ?? false,
      labels: [...new Set(asking.labels)].sort(),
      sinks: Object.fromEntries(Object.entries(asking.sinks ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))),
      hasUser: user !== null,
      hops: agents.length,
      requestText: asking.requestText ?? "none",
      elevated: asking.elevated ?? "",
      irreversible: asking.irreversible ?? false,
    },
  }
}

/** Claims in the order of their names, their values in their own. */
function asked({ id, provider, claims = {} }: AskedUser): Asked {
  const sorted = Object.entries(claims).map(([name, values]) => [name, [...values].sort()] as const)
  sorted.sort(([a], [b]) => (a < b ? -1 : 1))
  return { kind: "user", id, ...(provider === undefined ? {} : { provider }), claims: Object.fromEntries(sorted) }
}

/** Sinks of which that was found, in order. */
export function sinksOf({ facts }: Pick<Question, "facts">, finding: SinkFinding): string[] {
  return Object.keys(facts.sinks)
    .filter((sink) => facts.sinks[sink] === finding)
    .sort()
}

/** The context that schema.cedarschema describes. */
export function contextOf(question: Question) {
  const { purpose, action, facts } = question
  const found = (finding: SinkFinding) => sinksOf(question, finding)
  return {
    purpose: { __entity: { type: "sessions::Purpose", id: purpose } },
    operation: action.operation,
    approved: facts.approved,
    elevated: facts.elevated,
    irreversible: facts.irreversible,
    labels: [...facts.labels],
    sinks: { verified: found("verified"), failed: found("failed"), unverifiable: found("unverifiable") },
    session: { hasUser: facts.hasUser, hops: facts.hops, requestText: facts.requestText },
  } satisfies Record<string, Json>
}
