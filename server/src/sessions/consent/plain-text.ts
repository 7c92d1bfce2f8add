import { Refusal } from "#kernel"

/** Characters of a text, as people count them: UTF-16 units. */
const MAX_LENGTH = 2_000
const MAX_LINES = 40

/**
 * What has no place in words that an agent brought to a consent page: characters that are not seen or move what is (Unicode's
 * Cc, Cf with its bidirectional and zero-width characters, Cs, Co, Cn, line and paragraph separators, fillers, variation
 * selectors), and more than three marks on one letter.
 */
const UNSEEN =
  /\p{Cf}|\p{Cs}|\p{Co}|\p{Cn}|\p{Zl}|\p{Zp}|\p{Variation_Selector}|\u115f|\u1160|\u3164|\uffa0|\p{M}{4}|(?!\n)\p{Cc}/u

/** Where unseen characters are at home: inside an emoji, and the non-joiner between Arabic letters, as Persian is written. */
const AT_HOME = /\p{RGI_Emoji}|(?<=\p{Script=Arabic})\u200c(?=\p{Script=Arabic})/gv

/** One of these, or (`unseen`) a character that is not seen or moves what is. */
const HOME_OR_UNSEEN =
  /\p{RGI_Emoji}|(?<=\p{Script=Arabic})\u200c(?=\p{Script=Arabic})|(?<unseen>[\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Variation_Selector}\u115f\u1160\u3164\uffa0])/gv

/**
 * The text with what is not seen in it written out, as `[U+202E]`: for words that somebody else vouches for, which are taken as
 * they are, so that whoever reads them reads what was said.
 */
export function inSight(text: string): string {
  return text.replaceAll(HOME_OR_UNSEEN, (found, ...more) => {
    const { unseen } = more.at(-1) as { unseen?: string }
    return unseen === undefined ? found : `[U+${unseen.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`
  })
}

/** True when nothing in it is unseen, or moves what is seen. */
export function isAllSeen(text: string): boolean {
  return !UNSEEN.test(text.replaceAll(AT_HOME, "-"))
}

/** The text, if it can be shown as it is. Throws `invalid-request`, naming the parameter. */
export function plainText(text: string, parameter: string): string {
  const isShown = text.trim() !== "" && text.length <= MAX_LENGTH && isAllSeen(text)
  if (isShown && text.split("\n").length <= MAX_LINES) return text
  const what = `1 to ${MAX_LENGTH} characters in ${MAX_LINES} lines at the most, none of them unseen or turning the direction`
  throw new Refusal("invalid-request", `${parameter} is text that a person reads: ${what}.`)
}
