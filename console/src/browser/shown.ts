import { base64url, canonical, sha256, utf8 } from "./bytes.ts"
import { rootOf } from "./merkle.ts"

/** A card as it stands on the page: which request, every marked line of it, and the action as JSON. */
export type ShownCard = {
  approval: string
  version: string
  locale: string
  lines: [kind: string, text: string][]
  action: string
}

/** What the server asks a signature for: statements as they are hashed, and the challenge that is made of them. */
export type ToSign = { statements: string[]; challenge: string }

/** What the person chose: those requests, and how far beyond them; null for no further. */
export type Chosen = { cards: readonly ShownCard[]; bounds: unknown; origin: string }

/** Reads the cards that stand within an element. */
export function cardsIn(root: ParentNode): ShownCard[] {
  return [...root.querySelectorAll<HTMLElement>("[data-card]")].map((element) => ({
    approval: element.dataset["card"] ?? "",
    version: element.dataset["version"] ?? "",
    locale: element.dataset["locale"] ?? "",
    lines: [...element.querySelectorAll<HTMLElement>("[data-line]")].map((line) => [
      line.dataset["line"] ?? "",
      line.textContent ?? "",
    ]),
    action: element.querySelector("[data-action]")?.textContent ?? "",
  }))
}

/** SHA-256 of what a card says, base64url: the server computes the same of what it draws. */
export async function cardDigest({ version, locale, lines }: Omit<ShownCard, "approval" | "action">): Promise<string> {
  return base64url(await sha256(utf8(canonical([version, locale, lines]))))
}

/**
 * Holds what is to be signed against what stands on the page: one statement for each card that was chosen, in their order, over
 * that card's very text and that action, at this site, for one approval and within the bounds that were chosen; and the challenge
 * is made of nothing else. Throws where it is not so.
 */
export async function requireShown(
  { statements, challenge }: ToSign,
  { cards, bounds, origin }: Chosen,
): Promise<void> {
  require(statements.length === cards.length && cards.length > 0, "the number of statements")
  for (const [at, text] of statements.entries()) await requireOne(text, cards[at]!, { bounds, origin })
  require(base64url(await rootOf(statements)) === challenge, "the challenge")
}

async function requireOne(text: string, card: ShownCard, { bounds, origin }: Omit<Chosen, "cards">): Promise<void> {
  const statement = JSON.parse(text) as {
    v: string
    issuer: string
    approval: string
    decision: string
    bounds: unknown
    action: { type: unknown; resource: unknown; operation: unknown; arguments: unknown }
    card: { version: string; locale: string; digest: string }
  }
  require(statement.v === "safeconduct/approval/1", "the form")
  require(statement.decision === "approve", "the decision")
  require(new URL(statement.issuer).origin === origin, "the site")
  require(statement.approval === card.approval, "the request")
  require(canonical(statement.bounds) === canonical(bounds), "the bounds")
  const { type, resource, operation, arguments: given } = statement.action
  const shown = canonical(JSON.parse(card.action))
  require(canonical({ type, resource, operation, arguments: given }) === shown, "the action")
  const { version, locale, digest } = statement.card
  require(version === card.version && locale === card.locale && digest === (await cardDigest(card)), "the card")
}

function require(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`${what} to be signed is not what stands on this page`)
}
