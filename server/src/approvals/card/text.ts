/** Where unseen characters are at home: inside an emoji, and the non-joiner between Arabic letters, as Persian is written. */
const HOME = String.raw`\p{RGI_Emoji}|(?<=\p{Script=Arabic})\u200c(?=\p{Script=Arabic})`

/**
 * What is written out because it is not seen, moves what is, or looks like nothing but a space: Unicode's Cc, Cf with its
 * bidirectional and zero-width characters, Cs, Co, Cn, separators but the space, fillers, variation selectors; a mark that stands on
 * no letter, the fourth mark on one; and the signs that it is written out with.
 */
const UNSEEN = String.raw`[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Variation_Selector}\u115f\u1160\u2800\u3164\uffa0¶[\p{Zs}--\x20]]|(?<=^|[^\p{L}\p{N}\p{M}])\p{M}|(?<=\p{M}{3})\p{M}|\[(?=U\+|…)`

const HOME_OR_UNSEEN = new RegExp(`${HOME}|(?<unseen>${UNSEEN})`, "gv")

/** The text with what is not seen in it written out, as `[U+202E]`; the end of a line as `¶`. It is one line, and every character of it is seen. */
export function visible(text: string): string {
  return text.replaceAll(HOME_OR_UNSEEN, (found, ...more) => {
    const { unseen } = more.at(-1) as { unseen?: string }
    if (unseen === undefined) return found
    return unseen === "\n" ? " ¶ " : `[U+${unseen.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`
  })
}

/** The same, at most so many characters of it: head and tail, and between them how many are left out, in the words given. */
export function cut(text: string, most: number, leftOut: (count: number) => string): string {
  const characters = Array.from(text)
  if (characters.length <= most) return visible(text)
  const tail = Math.floor(most / 4)
  const head = most - tail
  const first = visible(characters.slice(0, head).join(""))
  const last = visible(characters.slice(-tail).join(""))
  return `${first} [… ${leftOut(characters.length - most)} …] ${last}`
}

/** Alphabets that have letters which look like Latin ones. */
const LOOK_ALIKES = ["Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu"] as const

/** One of them. */
export type Alphabet = (typeof LOOK_ALIKES)[number]

const lettersOf = new Map(LOOK_ALIKES.map((name) => [name, new RegExp(`\\p{Script=${name}}`, "u")]))

/** Which of them the text has letters of. */
export function alphabetsIn(text: string): Alphabet[] {
  return LOOK_ALIKES.filter((name) => lettersOf.get(name)!.test(text))
}

/** True for a text with characters that stand for others: full-width letters, mathematical ones, digits that are not 0 to 9. */
export function hasStandIns(text: string): boolean {
  return text.normalize("NFKC") !== text.normalize("NFC") || /(?![0-9])\p{Nd}/u.test(text)
}

/** True for what needs no quotation marks to be told from the words around it. */
export function isPlainWord(text: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9_.@+-]{0,38}[A-Za-z0-9])?$/.test(text)
}
