import { createHash, verify, X509Certificate } from "node:crypto"
import { z } from "zod"
import type { OperatorPrincipal } from "#agents"
import { type Change, together } from "#audit"
import { parseJson, Refusal } from "#kernel"
import { type Document, diff, type ProposedChange } from "#policy"
import { type Applied, applying, compare, type Difference, inForce, taken } from "./apply.ts"
import type { Rooms } from "./rooms.ts"

/** A change that waits for a second operator, with what it would change. */
export type WaitingChange = Difference & { change: ProposedChange }

/** What the second operator signs: this change of that version to this one, at this deployment. */
const signed = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  change: z.string(),
  digest: z.string(),
  expected: z.string().nullable(),
  iat: z.int(),
})
const header = z.strictObject({
  typ: z.literal("safeconduct-change+jwt"),
  alg: z.literal("ES256"),
  x5c: z.array(z.string().max(8_192)).length(1),
})

/** How old a signature may be, and how far ahead a clock, in seconds. */
const MAX_AGE_SECONDS = 300
const MAX_AHEAD_SECONDS = 60

/** True when what is in force says that a second operator signs what one of them applies. */
export function needsTwo({ approvals }: Rooms): boolean {
  return approvals.part().changes === "two-operators"
}

/**
 * Comes with what makes an operator, or lets one in: its work throws `second-operator` where changes take two, because whoever
 * holds the join token of a second operator is both.
 */
export function makingOperators({ approvals }: Pick<Rooms, "approvals">): Change<void> {
  const what = "Changes take two operators here, and whoever hands out an operator's join token could be both."
  const instead =
    'Let operators sign in at your provider, or run "safeconduct operators recover" on the server\'s host.'
  return approvals.alone(new Refusal("second-operator", `${what} ${instead}`))
}

/** Keeps a document that was checked as apply() does, for another operator to sign. Throws `policy-invalid`, `idempotency-conflict`. */
export async function propose(
  rooms: Rooms,
  operator: OperatorPrincipal,
  document: Document,
  expected: string | null | undefined,
): Promise<WaitingChange> {
  const difference = compare(rooms, document)
  if (expected !== undefined && expected !== difference.digest) throw changedMeanwhile()
  const by = { by: operator.spiffeId, operator: operator.operatorId }
  const kept = rooms.policy.changes.propose({ document, expected: difference.digest, ...by })
  // A crash here leaves a change that waits for a day, and that nobody needs to sign.
  const { result } = await rooms.audit.commit(kept)
  return { ...difference, change: result }
}

/** One that is kept, and what it would change in the version that it was compared with. Throws `change-unknown`. */
export async function findChange(rooms: Rooms, id: string): Promise<WaitingChange> {
  const change = await rooms.policy.changes.find(id)
  if (change === null) throw new Refusal("change-unknown", "There is no such change.")
  const found = inForce(rooms)
  // One that does not load stands in nobody's way here either.
  const version = found === "broken" ? null : found
  const isOfNow = (version?.digest ?? null) === change.expected
  const lines = isOfNow ? diff(version?.document ?? null, change.document) : ["another version is in force since then"]
  return { change, digest: change.expected, lines }
}

/**
 * Applies what another operator proposed, signed by this one with the key of its SVID. Whoever proposed it is refused, however
 * often they enrolled. Throws `change-unknown`, `change-over`, `second-operator`, `signature-invalid`, `idempotency-conflict` when
 * another version came in between, and what apply() does.
 */
export async function approveChange(
  rooms: Rooms,
  operator: OperatorPrincipal,
  id: string,
  signature: string,
): Promise<Applied> {
  const { change } = await findChange(rooms, id)
  if (change.operator === operator.operatorId || change.proposedBy === operator.spiffeId) {
    throw new Refusal("second-operator", "Who proposed a change cannot sign it. Another operator has to.")
  }
  requireSigned(rooms, operator, change, signature)
  const decided = rooms.policy.changes.decide(change, "applied", operator.spiffeId, signature)
  const applied = applying(rooms, operator.spiffeId, change.document, change.expected)
  const { result } = await rooms.audit.commit(together(decided, applied.change))
  return await taken(rooms, applied, result[1])
}

/** Denies one: any operator who may sign it may, and who proposed it. Throws `change-unknown`, `change-over`. */
export async function denyChange(rooms: Rooms, operator: OperatorPrincipal, id: string): Promise<void> {
  const { change } = await findChange(rooms, id)
  await rooms.audit.commit(rooms.policy.changes.decide(change, "denied", operator.spiffeId, null))
}

/** RFC 7515 with the leaf in x5c (§4.1.6): the very certificate of this connection, so that the record verifies by our root alone. */
function requireSigned(rooms: Rooms, operator: OperatorPrincipal, change: ProposedChange, jws: string): void {
  const [head = "", body = "", tail = "", ...more] = jws.split(".")
  const refuse = (why: string) => new Refusal("signature-invalid", `The signature is not one for this change: ${why}.`)
  const read = <T>(schema: z.ZodType<T>, part: string): T => {
    const parsed = schema.safeParse(parsedJson(part))
    if (!parsed.success || more.length > 0) throw refuse("it is of another form")
    return parsed.data
  }
  const leaf = Buffer.from(read(header, head).x5c[0]!, "base64")
  const { confirmation } = operator
  const isOwn =
    "x5t#S256" in confirmation && createHash("sha256").update(leaf).digest("base64url") === confirmation["x5t#S256"]
  if (!isOwn) throw refuse("its certificate is not the one of this connection")
  const key = new X509Certificate(leaf).publicKey
  const signature = Buffer.from(tail, "base64url")
  const isTrue = verify("sha256", Buffer.from(`${head}.${body}`), { key, dsaEncoding: "ieee-p1363" }, signature)
  if (!isTrue) throw refuse("it does not verify")
  const said = read(signed, body)
  const ageSeconds = rooms.clock.nowMs() / 1000 - said.iat
  if (ageSeconds > MAX_AGE_SECONDS || ageSeconds < -MAX_AHEAD_SECONDS) throw refuse("it is not of now")
  const isSame =
    said.iss === operator.spiffeId &&
    said.aud === rooms.approvals.issuer &&
    said.change === change.id &&
    said.digest === change.digest &&
    said.expected === change.expected
  if (!isSame) throw refuse("it says something else")
}

function parsedJson(part: string): unknown {
  try {
    return parseJson(Buffer.from(part, "base64url").toString("utf8"))
  } catch {
    return null
  }
}

function changedMeanwhile(): Refusal {
  const what = "Another version was applied since the difference was shown. Look again."
  return new Refusal("idempotency-conflict", what)
}
