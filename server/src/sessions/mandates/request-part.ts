import type { RequestText } from "../delegation.ts"
import { placesOf } from "./request-text.ts"

/** What of a request a rule looks at: what follows one of the words `from`, up to the end of the sentence or a word of `until`. */
export type Part = { from: readonly string[]; until?: readonly string[] | undefined }

/** By identity of the request, for as long as the mandate that it is in is held. */
const known = new WeakMap<object, Map<string, RequestText>>()

/** That part of a request, as a request that came the same way. Of nothing that follows such a word, it is empty. */
export function partOf(request: RequestText, part: Part): RequestText {
  const parts = known.get(request) ?? new Map<string, RequestText>()
  known.set(request, parts)
  const key = JSON.stringify(part)
  const found = parts.get(key) ?? { ...request, text: textOf(request.text.normalize("NFKC"), part) }
  parts.set(key, found)
  return found
}

function textOf(text: string, { from, until = [] }: Part): string {
  const lower = text.toLowerCase()
  // Some letters become two in lower case, and then a place in one is another in the other.
  if (lower.length !== text.length) return ""
  const begins = from.flatMap((word) => [...placesOf(lower, word.toLowerCase())])
  const others = until.flatMap((word) => [...placesOf(lower, word.toLowerCase())]).filter((at) => !begins.includes(at))
  const sentences = [...text.matchAll(/[.!?;]+(?=\s|$)/gu)].map(({ index }) => index)
  const ends = [...others, ...sentences, text.length]
  return begins.map((at) => text.slice(at, Math.min(...ends.filter((end) => end > at)))).join("\n")
}
