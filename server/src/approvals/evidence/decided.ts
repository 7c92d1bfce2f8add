import { z } from "zod"
import { canonical, digest, type Json } from "#kernel"
import type { CardFacts } from "../card/facts.ts"
import type { Statement } from "../statement.ts"
import { isBefore, type OpenedEntry, refused } from "./entries.ts"
import type { KnownKeys } from "./keys.ts"
import { type ProvenBy, verifyProofOf } from "./proofs.ts"
import { requireTold } from "./told.ts"

/** What was asked, as the log has it. */
export type AskedFor = {
  requested: OpenedEntry
  held: OpenedEntry
  /** Entries by which people took more time, in the log's order. */
  extended: readonly OpenedEntry[]
  facts: CardFacts
  action: Statement["action"]
}

/** What a person saw, drawn again: lines to read, and the digest of the drawing. */
export type Drawn<Card> = { card: Card; version: string; digest: string }

/** Draws a card from its facts, in a language: pure, so that the same comes of the same for ever. */
export type Draw<Card> = (facts: CardFacts, locale: string) => Drawn<Card>

/** One person who agreed, how that is proven, and what they saw. */
export type Agreed<Card> = ProvenBy & {
  user: string
  /** When, RFC 3339, and the entry that says so. */
  at: string
  entry: string
  countsFor: string[]
  /** In whose place, by what it counts for; empty for their own say. */
  standsFor: { [of: string]: string }
  locale: string
  card: Card
  /** How far the approval goes beyond the one action; null for exactly that. */
  bounds: Json
}

/** What all decisions are judged with. */
export type Judging<Card> = { asked: AskedFor; keys: KnownKeys; draw: Draw<Card> }

/** Verifies one decision: what was agreed to is what was asked, and what was seen is what it was drawn from. Throws `not-verified`. */
export function verifyDecision<Card>(decision: OpenedEntry, { asked, keys, draw }: Judging<Card>): Agreed<Card> {
  const { leaf, personal } = decision
  const statement = personal["statement"]
  if (!isStatement(statement)) throw refused("what somebody agreed to is not disclosed, or was erased")
  if (canonical(statement as unknown as Json) !== canonical(expected(statement, decision, asked))) {
    throw refused("what somebody agreed to is not what was asked")
  }
  // What is no time is no time left.
  if (!(Date.parse(leaf.at) <= Date.parse(statement.expiresAt) + SLACK_MS)) throw refused("somebody decided too late")
  const { card, version, digest: drawn } = draw(asked.facts, statement.card.locale)
  if (version !== statement.card.version) {
    const how = `version ${statement.card.version} of the card, and this program draws ${version}`
    throw refused(`they saw ${how}; verify it with the program of that time`)
  }
  if (drawn !== statement.card.digest) throw refused("what they saw is not what the card is drawn from")
  const proven = verifyProofOf(decision, statement as unknown as Json, { issuer: statement.issuer, keys })
  return {
    ...proven,
    user: leaf.by,
    at: leaf.at,
    entry: leaf.id,
    ...voiceOf(leaf.data),
    locale: statement.card.locale,
    card,
    bounds: statement.bounds as Json,
  }
}

const voice = z.object({
  countsFor: z.array(z.string()),
  standsFor: z.record(z.string(), z.string()).default({}),
})

/** For whom it counts, as the log has it. */
function voiceOf(said: Json | undefined): z.infer<typeof voice> {
  const { data } = voice.safeParse(said)
  if (data === undefined) throw refused("for whom somebody decided is not there")
  return data
}

/** Servers' clocks differ from the database's by less than this; one that is further off is not ready. */
const SLACK_MS = 10_000

/** The statement that the log's entries make; what only the signer's own says is theirs, and it has nothing else. */
function expected(given: Statement, decision: OpenedEntry, { requested, held, extended, action }: AskedFor): Json {
  const { leaf } = requested
  const data = leaf.data ?? {}
  // Until when it was asked, when they decided.
  const last = extended.filter((each) => isBefore(each, decision)).at(-1)
  return {
    v: "safeconduct/approval/1",
    nonce: given.nonce,
    issuer: given.issuer,
    approval: data["approval"] ?? null,
    decision: "approve",
    approver: decision.leaf.by,
    user: leaf.user ?? null,
    agent: {
      name: held.leaf.agent?.name ?? null,
      spiffeId: leaf.by,
      instance: held.leaf.agent?.instance ?? null,
      confirmation: given.agent.confirmation,
    },
    session: leaf.session ?? null,
    purpose: leaf.purpose ?? null,
    chain: leaf.chain ?? [],
    action: action as unknown as Json,
    policy: { version: data["policyVersion"] ?? null, policies: data["policies"] ?? [] },
    bounds: given.bounds as Json,
    card: { ...given.card },
    requestedAt: given.requestedAt,
    expiresAt: (last?.leaf.data ?? data)["expiresAt"] ?? null,
  }
}

/** What the comparison needs; the comparison says the rest. */
function isStatement(value: Json | undefined): value is Json & Statement {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const { nonce, issuer, agent, card, bounds, requestedAt, expiresAt } = value
  const [given, shown] = [agent, card] as { [name: string]: Json }[]
  return (
    [nonce, issuer, requestedAt, expiresAt].every((each) => typeof each === "string") &&
    URL.canParse(issuer as string) &&
    typeof given === "object" &&
    given !== null &&
    given["confirmation"] !== undefined &&
    typeof shown === "object" &&
    shown !== null &&
    ["version", "locale", "digest"].every((name) => typeof shown[name] === "string") &&
    bounds !== undefined
  )
}

/** What was asked: the request, the decision that it waits, and the action that hides behind its digest. Throws `not-verified`. */
export function askedFor(requested: OpenedEntry, held: OpenedEntry, extended: readonly OpenedEntry[]): AskedFor {
  const { facts, action: given } = requested.personal
  if (facts === undefined || given === undefined) {
    throw refused("what was asked is not disclosed, or was erased: nobody can say what they saw")
  }
  const action = given as unknown as Statement["action"]
  const { type, resource, operation, arguments: values, salt, id } = action
  const named = { id, digest: action.digest, type, resource, operation }
  const own = digest({ type, resource, operation, arguments: values, salt }).toString("base64url")
  if (own !== action.digest) throw refused("the action is not the one that its digest names")
  for (const { leaf } of [requested, held]) {
    if (leaf.action === undefined || canonical(leaf.action) !== canonical(named)) {
      throw refused("the action is not the one that was asked for")
    }
  }
  return { requested, held, extended, facts: requireTold(facts, { requested, held, action }), action }
}
