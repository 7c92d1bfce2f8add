import { z } from "zod"
import {
  type AssertionAnswer,
  assertionSchema,
  locales,
  type Person,
  type Proven,
  shownOf,
  statementBytes,
} from "#approvals"
import { parseJson, Refusal } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { approve, type Challenge, challengeFor, deny, moreTime } from "../approve/decide.ts"
import { beginStepUp } from "../approve/step-up.ts"
import { seeOther } from "../consent/pages/page.ts"
import { placeOf, type Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { askedOf, drawn, togetherWith } from "./found.ts"
import { leavingPage } from "./page.ts"

const ids = z.array(z.string().max(100)).min(1).max(100)
const locale = z.enum(locales)
/** Looked at when it is signed: what leave is for, approvals judges. */
const bounds = z.record(z.string().max(100), z.json())

/** What a page asks for a challenge with: what it shows, and in which language. */
export const challengeBody = z.strictObject({
  form: z.string().max(100),
  locale,
  bounds: bounds.nullable(),
  items: ids,
})

/** What a person decides, as the form says it; a signature comes as JSON. On a page with `several` cards, boxes that are ticked are named after their request. */
export const decisionBody = z
  .object({
    form: z.string().max(100),
    decision: z.enum(["approve", "step-up", "deny", "report", "more-time"]),
    locale,
    response: z.string().max(16_384).default(""),
    bounds: z.string().max(8_192).default(""),
  })
  .catchall(z.literal("on"))

type Asking = Pick<z.infer<typeof challengeBody>, "locale" | "items" | "bounds">

/** What the person would sign for what they chose, and what their browser asks the passkey with. Throws as challengeFor() does, `passkey-unknown`. */
export async function challenge(rooms: Rooms, { user }: SignedInBrowser, id: string, asking: Asking) {
  const { statements, challenge: bytes } = await challengeOf(rooms, user, id, asking)
  const options = await rooms.approvals.passkeys.assertionOptions(user.id, bytes)
  return { statements: statements.map((statement) => statementBytes(statement).toString("utf8")), options }
}

/**
 * Takes a decision, and leads back to the card, which says what came of it; or to the provider, where they sign in anew for it.
 * Throws what approving and denying do, and what beginning a step-up does.
 */
export async function decide(
  rooms: Rooms,
  visit: Visit,
  known: SignedInBrowser,
  { id, body }: { id: string; body: z.infer<typeof decisionBody> },
): Promise<Response> {
  const { user } = known
  const { form: _, decision, locale: language, response, bounds: left, ...boxes } = body
  const shown = await togetherWith(rooms, user, await askedOf(rooms, user, id, language))
  const together = shown.map(({ approval }) => approval.id)
  // Others may have come or gone since the page was drawn: it says for itself whether it had boxes, and which are ticked.
  const ticked = Object.keys(boxes).flatMap((name) => (name.startsWith("item-") ? [name.slice("item-".length)] : []))
  const chosen = boxes["several"] === undefined ? [id] : ticked
  if (decision === "more-time") {
    await moreTime(rooms, user, together)
    // What they took the tick from is drawn without it again: nobody chooses more by taking time.
    const without = boxes["several"] === undefined ? [] : together.filter((each) => !ticked.includes(each))
    const query = without.length === 0 ? "" : `?${new URLSearchParams({ without: without.join(".") })}`
    return seeOther(placeOf(visit.issuer, `/approvals/${id}${query}`), visit.setCookies)
  }
  // To report an agent is about all that it asks.
  const items = decision === "report" ? together : chosen
  if (decision === "step-up") {
    const url = await beginStepUp(rooms, visit, known, { ids: chosenOf(together, items), locale: language })
    return leavingPage(visit, { url, known, locale: language })
  }
  if (decision !== "approve") await deny(rooms, user, { ids: chosenOf(together, items), decision })
  else {
    const signed = await challengeOf(rooms, user, id, { locale: language, items, bounds: boundsOf(left) })
    await approve(rooms, user, signed, await provenBy(rooms, known, signed, response))
  }
  // A crash here leaves a decision that is taken; the card says so when it is opened again.
  return seeOther(placeOf(visit.issuer, `/approvals/${id}`), visit.setCookies)
}

/** What is signed for the cards that stand together on that page and were chosen, each as it is drawn in that language. */
async function challengeOf(
  rooms: Rooms,
  person: Person,
  id: string,
  { locale: language, items, bounds: left }: Asking,
): Promise<Challenge> {
  const shown = await togetherWith(rooms, person, await askedOf(rooms, person, id, language))
  const together = shown.map(({ approval }) => approval.id)
  return await challengeFor(rooms, person, {
    ids: chosenOf(together, items),
    bounds: left,
    // A request without facts is over, and refused as that.
    shown: (approval) => shownOf(drawn(approval, language).card!),
  })
}

/** What the form leaves to the agent; null for exactly what is approved. Throws `invalid-request`. */
function boundsOf(text: string): z.infer<typeof bounds> | null {
  if (text === "") return null
  const parsed = bounds.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw new Refusal("invalid-request", "What you allow beside this cannot be read. Open the page again.")
}

/** In the order of the page. Throws `invalid-request` for one that does not stand on it, or for none. */
function chosenOf(together: readonly string[], items: readonly string[]): string[] {
  const chosen = together.filter((each) => items.includes(each))
  if (chosen.length === new Set(items).size && chosen.length > 0) return chosen
  throw new Refusal("invalid-request", "What you chose is not what this page shows. Open it again.")
}

/** By their passkey where they signed, else by being signed in, which may not be enough. */
async function provenBy(
  { approvals }: Rooms,
  { user, ageSeconds }: SignedInBrowser,
  { challenge: bytes }: Challenge,
  response: string,
): Promise<Proven> {
  if (response === "")
    return {
      way: "session",
      evidence: { signedInSecondsAgo: Number.isFinite(ageSeconds) ? Math.round(ageSeconds) : null },
    }
  return await approvals.passkeys.verify(user.id, bytes, assertionIn(response))
}

function assertionIn(response: string): AssertionAnswer {
  const parsed = assertionSchema.safeParse(parseJson(response))
  if (parsed.success) return parsed.data
  throw new Refusal("passkey-invalid", "This is no signature of a passkey. Nothing was approved. Open the page again.")
}
