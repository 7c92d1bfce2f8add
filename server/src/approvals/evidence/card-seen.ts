import { cardDigest, type LineKind, lineText, renderCard } from "../card/card.ts"
import { locales } from "../channels/words.ts"
import type { Draw } from "./decided.ts"
import { refused } from "./entries.ts"
import { type VerifiedApproval, verifyEvidence } from "./verify.ts"

/** A card as it was seen, line by line. */
export type CardSeen = { kind: LineKind; text: string }[]

/** Verifies the evidence of an approval offline, and draws what each approver saw: verify.ts. Throws `not-verified`. */
export async function verifyApproval(text: string, vkeys: readonly string[]): Promise<VerifiedApproval<CardSeen>> {
  return await verifyEvidence(text, { vkeys, draw })
}

const draw: Draw<CardSeen> = (facts, language) => {
  const locale = locales.find((each) => each === language)
  if (locale === undefined) throw refused(`the card was in ${language}, which this program does not speak`)
  const card = renderCard(facts, locale)
  const lines = card.lines.map((line) => ({ kind: line.kind, text: lineText(line) }))
  return { card: lines, version: card.version, digest: cardDigest(card) }
}
