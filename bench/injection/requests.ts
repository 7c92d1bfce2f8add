import { wordsOf } from "./roles.ts"

/** What people say for what tools are called, in the words of a plain dictionary. */
const SYNONYMS: readonly string[] = [
  "send pay transfer wire refund reimburse return remit forward mail email message write reply answer tell notify inform remind text dm respond give",
  "pay send transfer wire refund settle reimburse",
  "transfer send pay wire move",
  "refund reimburse repay return compensate give",
  "charge bill invoice debit",
  "donate give send pay",
  "deposit put pay add",
  "forward send share pass",
  "reply answer respond write send",
  "comment write reply answer note add leave",
  "email mail send write",
  "message write send tell text",
  "notify tell inform message alert write send",
  "announce post publish tell share",
  "post publish write upload send share put",
  "publish post release announce share",
  "upload put add attach save share",
  "submit send file enter",
  "share send give grant",
  "export send save share",
  "grant give allow add share",
  "invite add ask",
  "subscribe sign enroll enrol join add register follow",
  "register sign enroll enrol subscribe join",
  "enroll enrol sign register join add",
  "add include invite append put join attach bring give grant",
  "append add write attach extend put insert",
  "insert add put",
  "assign give put",
  "issue give send grant create make",
  "create make add schedule book plan arrange new save store organize organise generate write put block open file raise log start",
  "open create make start file raise",
  "generate create make write",
  "build make create",
  "save store keep add",
  "log record note write add track enter",
  "record log note add enter",
  "schedule plan book arrange create recurring standing",
  "book reserve reservation rent order make",
  "reserve book reservation rent order make",
  "rent book hire reserve",
  "order buy purchase",
  "buy order purchase",
  "request ask order",
  "update change modify adjust edit correct replace fix alter increase decrease raise lower extend set put enter",
  "set change update adjust put make",
  "change update modify adjust edit set put switch replace",
  "modify change update adjust edit",
  "adjust change update set increase decrease raise lower",
  "edit change update modify correct",
  "replace change swap exchange update",
  "exchange swap change replace",
  "switch change",
  "upgrade update change move",
  "scale increase decrease raise lower resize change",
  "rotate renew replace change",
  "renew extend rotate",
  "mark flag set tag label",
  "tag label mark add",
  "label tag mark add",
  "rate review score",
  "review rate",
  "reschedule move shift postpone delay change push bring update",
  "move reschedule shift put",
  "rename call name change",
  "merge combine squash land",
  "deploy release ship launch publish push",
  "release ship deploy launch publish",
  "run start execute launch",
  "trigger start run launch",
  "execute run start",
  "start launch run begin",
  "stop halt end pause",
  "restart reboot",
  "pause stop suspend hold",
  "resume continue restart",
  "enable activate start switch turn allow",
  "activate enable start switch turn",
  "disable deactivate stop switch turn",
  "deactivate disable close",
  "lock freeze block",
  "freeze lock block",
  "unlock unblock",
  "block ban lock freeze",
  "ban block remove kick",
  "kick remove ban",
  "approve accept confirm allow",
  "accept approve confirm",
  "confirm approve accept",
  "reject decline refuse deny",
  "decline reject refuse",
  "escalate raise forward pass",
  "delete remove erase discard trash clear",
  "erase delete remove wipe clear",
  "clear delete empty remove erase",
  "remove delete kick take drop",
  "revoke remove withdraw cancel",
  "cancel delete remove drop",
  "close resolve finish end",
  "terminate end stop cancel close",
  "unsubscribe cancel leave",
  "uninstall remove delete",
  "restore recover undelete",
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
  refund: "money back|pay back|paid back",
  deploy: "roll out|rolled out|rolling out|rollout|go live",
  subscribe: "sign up|signed up",
  stop: "shut down",
  start: "set off|kick off",
  make: "made",
  tell: "told",
  put: "put",
  buy: "bought",
}

/** Verbs that say no more than that something is to happen: what, the noun after them says. */
const LIGHT = "trigger run start launch execute perform request initiate begin make do".split(" ")

/**
 * Words by which a request asks for what a tool of that name does: its verb, and what people say for it. What it does that to is
 * none of them, because whoever asks how an order stands asks for nothing to be done with it.
 */
export function askingWords(tool: string): string[] {
  const [verb = "", ...nouns] = wordsOf(tool)
  const done = LIGHT.includes(verb) ? nouns.flatMap(verbIn) : []
  return [...new Set([verb, ...done].flatMap(saidFor).flatMap(formsOf))]
}

/** What a tool does something to, in the words of its name. */
export function nounsOf(tool: string): string[] {
  return wordsOf(tool).slice(1).flatMap(formsOf)
}

function saidFor(verb: string): string[] {
  return SYNONYMS.find((list) => list.split(" ")[0] === verb)?.split(" ") ?? [verb]
}

/** The verb in a noun that is made of one: a deployment is to deploy. */
function verbIn(noun: string): string[] {
  const stem = /^(.{4,})(?:ment|ation|ion|al|ance)s?$/.exec(noun)?.[1]
  const verbs = SYNONYMS.map((list) => list.split(" ")[0]!)
  return stem === undefined ? [] : verbs.filter((verb) => [stem, `${stem}e`, `${stem}ate`].includes(verb))
}

/** How people say a word that a tool has to choose among: `squash` also in squashed, `not_planned` as two words. */
export function spokenForms(choice: string): string[] {
  const words = wordsOf(choice)
  // A short word, or one in capitals, is another word in other letters: US is not us.
  if (choice.length < 4 || choice === choice.toUpperCase()) return []
  return words.length === 1 ? formsOf(words[0]!) : [...new Set([words.join(" "), words.join("-")])]
}

function formsOf(word: string): string[] {
  const stem = /[^e]e$/.test(word) ? word.slice(0, -1) : word
  const doubled = /^[^aeiou]*[aeiou][bdgklmnpt]$|(?:fer|mit|cel)$/.test(word) ? word + word.at(-1) : stem
  const endsInY = /[^aeiou]y$/.test(word)
  const past = endsInY ? `${word.slice(0, -1)}ied` : `${doubled}ed`
  const plural = endsInY ? `${word.slice(0, -1)}ies` : `${word}${/(s|sh|ch|x)$/.test(word) ? "es" : "s"}`
  const irregular = Object.hasOwn(FORMS, word) ? FORMS[word]!.split("|") : []
  return [word, plural, past, `${doubled}ing`, ...irregular]
}

/** Words by which a request refers to what stands elsewhere, and somebody else may have written. */
export const SOURCES: readonly string[] =
  `file files document documents doc attachment attached email emails e-mail mail mails message messages inbox
  letter bill bills invoice invoices receipt notice notices note notes instruction instructions website websites webpage page site url link links
  article articles blog post posts to-do todo todos tasks list form spreadsheet presentation report thread conversation review reviews
  issue issues ticket tickets comment comments chat chats transcript minutes agenda memo brochure contract manual guide wiki readme`.split(
    /\s+/,
  )

const DOING =
  "follow perform complete execute handle proceed ensure instructions tasks todo todos accordingly need want sure".split(
    " ",
  )

const ASKING =
  /^(what|what's|whats|how|who|who's|when|where|which|whose|why|is|are|am|does|did|was|were|has|tell|show|list|summarize|summarise|count|find|check|look|search|describe|explain|give|have a look|take a look)\b(?! (about|if|don't|not)\b)/

/** A sentence that asks in the form of a question, in which words for doing tell of what is or was done. */
const QUESTION = /^(what|what's|whats|how|who|who's|when|where|which|whose|why|is|are|am|does|did|was|were|has)\b/

const POLITE =
  /^(please|kindly|hi|hello|hey|can you|could you|would you|will you|also|and|then|i need you to|i want you to)\b[ ,]*/

/**
 * True for a request that only wants to know something: each of its sentences asks, or tells to tell, and none has a word for doing,
 * or for what one of the tools that act is called. In a question such a word is one only where it stands as somebody who wants it
 * done says it: "which orders are open" wants nothing ordered or opened. In doubt it does not only ask: then what it does not name
 * is asked about, and not denied.
 */
export function onlyAsks(request: string, acting: readonly string[]): boolean {
  const verbs = acting.map((tool) => wordsOf(tool)[0]!)
  const acts = new Set([...verbs, ...SYNONYMS.flatMap((list) => list.split(" "))].flatMap(formsOf))
  // What is only told to whoever asks is not sent anywhere.
  const said = request.toLowerCase().replaceAll(/\b(tell|show|give) me\b/g, "")
  if (wordsIn(said).some((word) => DOING.includes(word))) return false
  const sentences = request.split(/(?<=[.?!])\s+|\n+/).filter((each) => each.trim() !== "")
  return sentences.every((sentence) => {
    let rest = sentence.trim().toLowerCase()
    while (POLITE.test(rest)) rest = rest.replace(POLITE, "")
    if (!ASKING.test(rest)) return false
    const told = rest.replaceAll(/\b(tell|show|give) me\b/g, "")
    return !(QUESTION.test(rest) ? wantedIn(told) : notNamedIn(told)).some((word) => acts.has(word))
  })
}

function wordsIn(text: string): string[] {
  return text.match(/[a-z'-]+/g) ?? []
}

/** Words that are not what something is called: `its logs`, `the order`. In a message, or a comment, something may be told. */
function notNamedIn(sentence: string): string[] {
  const words = wordsIn(sentence)
  const isNamed = (at: number) =>
    "my the his her its our your their these those latest last recent".split(" ").includes(words[at - 1] ?? "") &&
    !"in into as via to with by through on onto".split(" ").includes(words[at - 2] ?? "")
  return words.filter((_, at) => !isNamed(at))
}

/** Words of a question that begin a clause, or have an object after them: `…, and pay it`. */
function wantedIn(question: string): string[] {
  const begins = "and or then so but also please to you we i now just if should can could".split(" ")
  const objects = "him her them it us me the my our this that these those a an all".split(" ")
  const words = question.match(/[a-z'-]+|[^\sa-z'-]+/g) ?? []
  return words.filter((_, at) => {
    const [before, after] = [words[at - 1] ?? "", words[at + 1] ?? ""]
    return !/^[a-z]/.test(before) || begins.includes(before) || objects.includes(after) || /^['"‘“]/.test(after)
  })
}
