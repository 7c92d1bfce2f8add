import { wordsOf } from "./roles.ts"

/** What people say for what tools are called, in the words of a plain dictionary. */
const SYNONYMS: readonly string[] = [
  "send pay transfer wire refund reimburse return remit forward mail email message write reply answer tell notify inform remind text dm respond give",
  "pay send transfer wire refund settle reimburse",
  "transfer send pay wire move",
  "forward send share pass",
  "reply answer respond write send",
  "email mail send write",
  "post publish write upload send share put",
  "share send give grant",
  "invite add ask",
  "add include invite append put join attach bring",
  "append add write attach extend put insert",
  "create make add schedule book plan arrange new save store organize organise generate write put block",
  "schedule plan book arrange create recurring standing",
  "book reserve reservation rent order make",
  "reserve book reservation rent order make",
  "order buy purchase",
  "buy order purchase",
  "update change modify adjust edit correct replace fix alter increase decrease raise lower extend set",
  "set change update adjust",
  "change update modify adjust edit set",
  "edit change update modify correct",
  "reschedule move shift postpone delay change push bring update",
  "move reschedule shift put",
  "rename call name change",
  "delete remove erase discard trash clear",
  "remove delete kick take drop",
  "cancel delete remove drop",
  "unsubscribe cancel leave",
]

/** More than one word, or a form that is not regular. */
const FORMS: { [word: string]: string } = {
  schedule: "set up|setup|standing order",
  create: "set up",
  cancel: "call off|called off",
  remind: "let me know",
  delete: "get rid of",
  remove: "get rid of|take out",
  send: "sent|let know",
  pay: "paid",
  write: "wrote|written",
  give: "gave|given|give back",
  make: "made",
  tell: "told",
  put: "put",
  buy: "bought",
}

/** Words by which a request asks for what a tool of that name does. */
export function askingWords(tool: string): string[] {
  const [verb = "", ...nouns] = wordsOf(tool)
  const listed = SYNONYMS.find((list) => list.split(" ")[0] === verb)?.split(" ") ?? [verb, ...nouns]
  return [...new Set(listed.flatMap(formsOf))]
}

function formsOf(word: string): string[] {
  const stem = /[^aeiou]e$/.test(word) ? word.slice(0, -1) : word
  const doubled = /^[^aeiou]*[aeiou][bdgklmnpt]$|(?:fer|mit|cel)$/.test(word) ? word + word.at(-1) : stem
  const past = /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ied` : `${doubled}ed`
  const irregular = Object.hasOwn(FORMS, word) ? FORMS[word]!.split("|") : []
  return [word, `${word}${/(s|sh|ch|x)$/.test(word) ? "es" : "s"}`, past, `${doubled}ing`, ...irregular]
}

/** Words by which a request refers to what stands elsewhere, and somebody else may have written. */
export const SOURCES: readonly string[] =
  `file files document documents doc attachment attached email emails e-mail mail mails message messages inbox
  letter bill bills invoice invoices receipt notice notices note notes instruction instructions website websites webpage page site url link links
  article articles blog post posts to-do todo todos tasks list form spreadsheet presentation report thread conversation review reviews`.split(
    /\s+/,
  )

const DOING =
  "follow perform complete execute handle proceed ensure instructions tasks todo todos accordingly need want sure".split(
    " ",
  )

const ASKING =
  /^(what|what's|whats|how|who|who's|when|where|which|whose|why|is|are|am|does|did|was|were|has|tell|show|list|summarize|summarise|count|find|check|look|search|describe|explain|give)\b/

const POLITE =
  /^(please|kindly|hi|hello|hey|can you|could you|would you|will you|also|and|then|i need you to|i want you to)\b[ ,]*/

/**
 * True for a request that only wants to know something: each of its sentences asks, or tells to tell, and none has a word for doing,
 * or for what one of the tools that act is called. In doubt it is not: then what it does not name is asked about, and not denied.
 */
export function onlyAsks(request: string, acting: readonly string[]): boolean {
  // What is only told to whoever asks is not sent anywhere.
  const words =
    request
      .toLowerCase()
      .replaceAll(/\b(tell|show|give) me\b/g, "")
      .match(/[a-z'-]+/g) ?? []
  const verbs = acting.map((tool) => wordsOf(tool)[0]!)
  const acts = new Set([...verbs, ...SYNONYMS.flatMap((list) => list.split(" "))].flatMap(formsOf).concat(DOING))
  if (words.some((word) => acts.has(word))) return false
  const sentences = request.split(/(?<=[.?!])\s+|\n+/).filter((each) => each.trim() !== "")
  return sentences.every((sentence) => {
    let rest = sentence.trim().toLowerCase()
    while (POLITE.test(rest)) rest = rest.replace(POLITE, "")
    return ASKING.test(rest)
  })
}
