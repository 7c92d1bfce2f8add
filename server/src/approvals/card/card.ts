import type { Json } from "#kernel"
import type { Locale } from "../channels/words.ts"
import { digestOfJson, type Shown } from "../statement.ts"
import type { ArgumentFact, CardFacts } from "./facts.ts"
import { headline, type Piece } from "./template.ts"
import { alphabetsIn, cut, hasStandIns, visible } from "./text.ts"
import { inQuotes, numberText, quoted, valueText } from "./values.ts"
import { type CardWords, cardWords } from "./words.ts"

/** Names these sentences, their order and how values are written: what was shown can be drawn again by it. */
export const CARD_VERSION = "safeconduct/card/1"

/** What a line is. `good` and `odd` are marks on the value above them: it was verified, or it is not what is usual. */
export type LineKind =
  | ("headline" | "consequence" | "note" | "part" | "label" | "text")
  | ("value" | "good" | "mark" | "odd" | "quote" | "said")

/** One line. Its text is its pieces, one after the other. */
export type Line = { kind: LineKind; pieces: Piece[] }

/** What an approver sees of a request. */
export type Card = { version: typeof CARD_VERSION; locale: Locale; lines: Line[] }

const MOST_OF_VALUE = 200
const MOST_OF_NAME = 60
const MOST_OF_WORDS = 400
const MOST_OF_SAID = 200
/** A subject of more characters is a name for machines; it stands in what is signed. */
const MOST_OF_SUBJECT = 48

/** Draws the card: the same for the same facts and language, always. What the agent says comes last, and says that it is. */
export function renderCard(facts: CardFacts, locale: Locale): Card {
  const words = cardWords[locale]
  const { pieces, names, isTold } = headline(facts, locale, words)
  const lines = [
    { kind: "headline" as const, pieces },
    ...consequences(facts, words),
    ...(isTold ? [] : [line("note", words.untold)]),
    ...origin(facts, words),
    line("part", words.exactly),
    ...(facts.arguments.length === 0 ? [line("text", words.noArguments)] : []),
    ...facts.arguments.flatMap((each) => argument(each, { isTold: !isTold || names.has(each.name), words })),
    line("part", words.why),
    ...facts.reasons.map((reason) => line("text", visible(reason))),
    line("text", words.before(facts.before)),
    line("part", words.gives),
    line("text", facts.leaseSeconds === null ? words.once : words.lease(facts.leaseSeconds)),
    ...(facts.said === null
      ? []
      : [line("part", words.said), value("said", inQuotes(facts.said, MOST_OF_SAID, words))]),
  ]
  return { version: CARD_VERSION, locale, lines }
}

/** The text of a line, as it stands on the page. */
export function lineText({ pieces }: Line): string {
  return pieces.map((piece) => (typeof piece === "string" ? piece : piece.value)).join("")
}

/** SHA-256 of what the card says, base64url: what is signed has it, and the page computes it of what it shows. */
export function cardDigest({ version, locale, lines }: Card): string {
  return digestOfJson([version, locale, lines.map((each): Json => [each.kind, lineText(each)])])
}

/** What a statement says of a card that was shown. */
export function shownOf(card: Card): Shown {
  return { version: card.version, locale: card.locale, digest: cardDigest(card) }
}

function consequences({ elevated, irreversible }: CardFacts, words: CardWords): Line[] {
  return [
    ...(elevated === null ? [] : [line("consequence", words.elevated[elevated])]),
    ...(irreversible ? [line("consequence", words.irreversible)] : []),
  ]
}

/** Who acts, for whom, why, and through whom. */
function origin({ agent, user, purpose, application, through, request }: CardFacts, words: CardWords): Line[] {
  const described = agent.description === "" ? "" : ` · ${visible(agent.description)}`
  const owner = agent.owner === "" ? "" : ` · ${words.runBy(visible(agent.owner))}`
  const whom =
    user === null ? words.nobody : words.at(cut(user.subject, MOST_OF_SUBJECT, words.leftOut), visible(user.provider))
  return [
    ...labelled(words.agent, `${visible(agent.name)}${described}${owner}`),
    ...labelled(words.forWhom, whom),
    ...labelled(words.purpose, visible(purpose.description)),
    ...(application === null
      ? []
      : labelled(words.application, `${visible(application.name)} · ${visible(application.description)}`)),
    ...(through.length === 0 ? [] : labelled(words.through, through.map(visible).join(" → "))),
    ...(request === null
      ? []
      : [line("label", words.asked[request.kind]), value("quote", inQuotes(request.text, MOST_OF_WORDS, words))]),
  ]
}

/** A value and what is known of it. One that the headline does not speak of is shown all the same, and says so. */
function argument(
  { name, value: given, ...fact }: ArgumentFact,
  { isTold, words }: { isTold: boolean; words: CardWords },
): Line[] {
  const strings = [name, ...stringsIn(given)]
  const alphabets = [...new Set(strings.flatMap(alphabetsIn))]
  const { unusual } = fact
  return [
    value("label", quoted(name, MOST_OF_NAME, words)),
    value("value", valueText(given, MOST_OF_VALUE, words)),
    ...(unusual?.kind === "times-usual" ? [line("odd", words.timesUsual(numberText(unusual.times, words)))] : []),
    ...(unusual?.kind === "first-time" ? [line("odd", words.firstTime)] : []),
    ...(alphabets.length === 0 ? [] : [line("odd", words.alphabets(alphabets))]),
    ...(strings.some(hasStandIns) ? [line("odd", words.standIns)] : []),
    ...(isTold ? [] : [line("odd", words.unexplained)]),
    ...(fact.isSink && fact.finding !== "verified" ? [line("odd", words.sink)] : []),
    finding(fact, words),
  ]
}

function finding(
  { finding: found, origin: from, isSink }: Omit<ArgumentFact, "name" | "value">,
  words: CardWords,
): Line {
  if (found === "free") return line("mark", words.free)
  if (found === "unverifiable") return line(isSink ? "odd" : "mark", words.unverifiable)
  const known = from !== null && Object.hasOwn(words.verified, from) ? words.verified[from] : undefined
  return line("good", known ?? words.verifiedSomehow)
}

/** Every text in a value, names of members too. */
function stringsIn(given: Json): string[] {
  if (typeof given === "string") return [given]
  if (given === null || typeof given !== "object") return []
  if (Array.isArray(given)) return given.flatMap(stringsIn)
  return Object.entries(given).flatMap(([name, each]) => [name, ...stringsIn(each)])
}

function labelled(label: string, text: string): Line[] {
  return [line("label", label), line("text", text)]
}

function line(kind: LineKind, text: string): Line {
  return { kind, pieces: [text] }
}

function value(kind: LineKind, text: string): Line {
  return { kind, pieces: [{ value: text }] }
}
