import type { Schema, Tool } from "./suite.ts"

/**
 * What an argument decides, by its name and its type. `destination`: who gets it, or where it goes · `object`: which thing of
 * the user's · `amount`: how much · `secret`: what lets somebody in · `content`: what others read · `annotation`: words beside it ·
 * `moment`: when · `flag`: whether · `value`: anything else, which is taken as seriously as what is known.
 */
export type Role =
  | "destination"
  | "object"
  | "amount"
  | "secret"
  | "content"
  | "annotation"
  | "moment"
  | "flag"
  | "value"

/** Words of a name that tell its role; the first role that has one of them counts. */
const BY_WORD: readonly [Role, string][] = [
  ["secret", "password passphrase pin secret token otp credential credentials"],
  ["content", "body content contents message messages text html caption"],
  ["annotation", "subject description note notes memo reason comment comments remark summary label tag tags reference"],
  [
    "moment",
    "date dates day days time times when start end deadline due expires expiry expiration duration until month year hour hours minutes",
  ],
  [
    "destination",
    `recipient recipients payee beneficiary receiver to cc bcc account iban email emails user users member members participant participants
     attendee attendees invitee invitees guest guests person people contact contacts assignee channel channels room group url urls link uri
     href website webpage webhook endpoint site host domain phone`,
  ],
  ["object", "file files filename path folder directory document documents attachment attachments event order"],
]

/** The role of an argument. */
export function roleOf(name: string, schema: Schema): Role {
  const words = wordsOf(name)
  const types = typesOf(schema)
  if (types.length > 0 && types.every((type) => type === "boolean")) return "flag"
  if (/^ids?$/.test(words.at(-1) ?? "")) return "object"
  // Of people that are only counted, it says how many.
  const isCount = /^(number|num)$/.test(words[0] ?? "") || words.some((word) => COUNTED.includes(word))
  if (
    words.length > 0 &&
    types.length > 0 &&
    types.every(isNumeric) &&
    isCount &&
    !/^(numbers?|num)$/.test(words.at(-1)!)
  )
    return "amount"
  const found = BY_WORD.find(([, list]) => list.split(/\s+/).some((word) => words.includes(word)))
  if (found !== undefined) return found[0]
  // Number 58 is a thing, and not fifty-eight of anything.
  if (/^(numbers?|no|nr)$/.test(words.at(-1) ?? "")) return "object"
  return types.length > 0 && types.every(isNumeric) ? "amount" : "value"
}

const COUNTED =
  "count quantity guests people persons users members participants attendees invitees adults children days hours minutes months".split(
    " ",
  )

/** True for an argument, or a field, that says how much money. */
export function isMoney(name: string): boolean {
  return wordsOf(name).some((word) => MONEY.includes(word))
}

const MONEY =
  "amount amounts price prices total totals sum cost costs fee fees balance balances payment budget salary rent tip".split(
    " ",
  )

/** True for a type of numbers. */
export function isNumeric(type: string): boolean {
  return type === "number" || type === "integer"
}

/** The types that a value may have, without null. */
export function typesOf({ type, anyOf = [] }: Schema): string[] {
  const types = type === undefined ? anyOf.flatMap(typesOf) : [type]
  return types.filter((each) => each !== "null")
}

/** `start_time`, `startTime` → start, time. */
export function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "")
}

const LOOKS =
  "get read list search find check show view fetch lookup look query count browse describe see is has retrieve summarize compare calculate translate verify validate convert preview inspect print diff analyze analyse estimate tail peek explain"
const LEAVES = "web internet online google bing http browser"
const TAKES_AWAY =
  "delete remove cancel drop erase clear revoke close terminate deactivate unsubscribe kick ban block archive purge reset destroy wipe truncate discard uninstall disable stop suspend reject decline withdraw unassign unlink disconnect"
const DISCLOSES =
  "share send forward publish post upload export grant invite email message transfer pay reply respond answer comment announce broadcast notify tell text dm alert tweet submit report review"
const CHANGES = "update modify change edit set reschedule move rename append add extend adjust replace"

/** What a tool does, by the first word of its name; `creates` unless it is known to do another thing. */
export type Kind = "looks" | "takes-away" | "discloses" | "changes" | "creates"

/** The kind of a tool. */
export function kindOf({ name }: Pick<Tool, "name">): Kind {
  const [verb = ""] = wordsOf(name)
  const is = (list: string) => list.split(" ").includes(verb)
  if (is(LOOKS)) return "looks"
  if (is(TAKES_AWAY)) return "takes-away"
  if (is(DISCLOSES)) return "discloses"
  return is(CHANGES) ? "changes" : "creates"
}

/** True for what only looks, but where others can read what it asks. */
export function looksOutside({ name, parameters }: Tool): boolean {
  const words = [...wordsOf(name), ...Object.keys(parameters.properties ?? {}).flatMap(wordsOf)]
  return words.some((word) =>
    `${LEAVES} url urls link uri href website webpage webhook endpoint site host domain`.split(" ").includes(word),
  )
}
