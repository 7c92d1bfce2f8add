import type { CardFacts } from "./facts.ts"
import { visible } from "./text.ts"
import { quoted, valueText } from "./values.ts"
import type { CardWords } from "./words.ts"

/** A piece of a line: words of ours, or a value that somebody else chose and that is drawn apart from them. */
export type Piece = string | { value: string }

/** Characters of a value in a headline. */
const MOST_IN_HEADLINE = 60

/** What the operation does, in the words of whoever configured it. `names` are the arguments that the words speak of. */
export type Headline = { pieces: Piece[]; names: ReadonlySet<string>; isTold: boolean }

/**
 * The sentence for an operation, with values where it names an argument. It is read once: what stands in a value is never read as
 * part of the sentence.
 */
export function headline(facts: CardFacts, locale: string, words: CardWords): Headline {
  const template = facts.templates[locale] ?? facts.templates["en"] ?? Object.values(facts.templates)[0]
  if (template === undefined) return { pieces: neutral(facts, words), names: new Set(), isTold: false }
  const parts = template.split(/\{([A-Za-z][A-Za-z0-9_.-]{0,127})\}/)
  const names = parts.filter((_, at) => at % 2 === 1)
  const pieces = parts.map((part, at): Piece => (at % 2 === 1 ? insertedFor(facts, part, words) : visible(part)))
  return { pieces: pieces.filter((piece) => piece !== ""), names: new Set(names), isTold: true }
}

function insertedFor(facts: CardFacts, name: string, words: CardWords): Piece {
  const found = facts.arguments.find((each) => each.name === name)
  if (found === undefined || found.value === null) return words.notGiven(name)
  return { value: valueText(found.value, MOST_IN_HEADLINE, words) }
}

function neutral({ operation, resource }: CardFacts, words: CardWords): Piece[] {
  const what = operation.description === null ? quoted(operation.name, 200, words) : visible(operation.description)
  const where = resource.description === null ? quoted(resource.name, 200, words) : visible(resource.description)
  return [words.neutral(upperFirst(what), where)]
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
