import { isAllSeen } from "../consent/plain-text.ts"

/** What parts of a text are written between: a place hides in `a,b;c` as well as in words. */
const BETWEEN = /[\s,;|<>()[\]{}"“”„«»`]+/u

/**
 * Forms of what leads somewhere: an address of the web or of mail, a handle, an account, a telephone or a card number, a path.
 * Wide on purpose: what is none of these and taken for one waits for a person, and nothing worse.
 */
const FORMS = [
  /:\/\/|^www\.|^mailto:|@|\/[^\s]*\/|\\/iu,
  /[\p{L}\p{N}-]\.\p{L}{2,}/u,
  /^[A-Z]{2}\d{2}[A-Z0-9]{8,}/iu,
  /(?:\d[ .:/-]?){7,}/u,
  /^(?=.*\d)(?=.*\p{L})[\p{L}\p{N}_-]{12,}$/u,
  // Encoded, it would lead wherever whoever decodes it says.
  /%[0-9a-f]{2}|&#|\\u|^[A-Za-z0-9+/_-]{24,}={0,2}$/iu,
]

/** Parts of a text that lead somewhere: to a page, a person, an account. */
export function leadsIn(text: string): string[] {
  // Written in groups, a number is one all the same.
  const grouped = text.match(/(?<![\p{L}\p{N}])\d(?:[ .:/-]?\d){6,}(?![\p{L}\p{N}])/gu) ?? []
  const parts = text.split(BETWEEN).map((part) => part.replaceAll(/^['‘’.:!?]+|['‘’.:!?]+$/gu, ""))
  return [...new Set([...grouped, ...parts.filter((part) => FORMS.some((form) => form.test(part)))])]
}

/** True for a text of at most so many characters that people see as it is. */
export function isShort(value: unknown, atMost: number): value is string {
  return typeof value === "string" && value.length <= atMost && isAllSeen(value) && value === value.normalize("NFKC")
}
