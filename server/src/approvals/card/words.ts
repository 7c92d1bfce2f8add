import type { Elevated } from "#policy"
import type { Locale } from "../channels/words.ts"
import type { Alphabet } from "./text.ts"

/** The sentences of a card in one language; a change of any of them is a new version of the card. */
export type CardWords = {
  decimal: string
  quotes: readonly [open: string, close: string]
  nothing: string
  notGiven: (name: string) => string
  yes: string
  no: string
  entries: (count: number) => string
  more: (count: number) => string
  leftOut: (count: number) => string
  /** Where nobody wrote a sentence for the operation. */
  neutral: (operation: string, resource: string) => string
  untold: string
  elevated: { readonly [Each in Elevated]: string }
  irreversible: string
  agent: string
  runBy: (owner: string) => string
  forWhom: string
  at: (subject: string, provider: string) => string
  nobody: string
  purpose: string
  application: string
  through: string
  asked: { readonly consent: string; readonly application: string; readonly passkey: string }
  exactly: string
  noArguments: string
  sink: string
  verified: { readonly [origin: string]: string }
  verifiedSomehow: string
  unverifiable: string
  free: string
  unexplained: string
  firstTime: string
  timesUsual: (times: string) => string
  alphabets: (names: readonly Alphabet[]) => string
  standIns: string
  why: string
  before: (count: number) => string
  gives: string
  once: string
  lease: (seconds: number) => string
  said: string
}

const en: CardWords = {
  decimal: ".",
  quotes: ["“", "”"],
  nothing: "nothing",
  notGiven: (name) => `(${name}: not given)`,
  yes: "yes",
  no: "no",
  entries: (count) => (count === 0 ? "no entries" : count === 1 ? "1 entry" : `${count} entries`),
  more: (count) => `and ${count} more`,
  leftOut: (count) => `${count} more ${count === 1 ? "character" : "characters"}`,
  neutral: (operation, resource) => `${operation} · ${resource}`,
  untold: "Nobody wrote a sentence for this operation. Read every value.",
  elevated: {
    money: "Moves money",
    people: "Concerns people",
    permissions: "Changes who may do what",
    publication: "Goes out to others",
  },
  irreversible: "Cannot be undone",
  agent: "Agent",
  runBy: (owner) => `run by ${owner}`,
  forWhom: "For",
  at: (subject, provider) => `${subject} (${provider})`,
  nobody: "nobody in particular",
  purpose: "Purpose",
  application: "Through",
  through: "Handed on by",
  asked: {
    consent: "Asked for, as read and allowed on our page",
    application: "Asked for in the application",
    passkey: "Asked for, and signed with a passkey",
  },
  exactly: "Exactly this",
  noArguments: "Without any values.",
  sink: "decides where it goes",
  verified: {
    request: "verified: stands in what was asked for",
    claim: "verified: is the person's own",
    parameter: "verified: was given when it began",
    made: "verified: was made in this session",
    lookup: "verified: looked up in the system of record",
    constant: "verified: is one of the values that are allowed",
    bound: "verified: is within the limit",
    form: "verified: has the form that is allowed",
    absent: "verified: is left out, as it has to be",
    earlier: "verified: when it was first allowed",
  },
  verifiedSomehow: "verified",
  unverifiable: "not verified",
  free: "not checked",
  unexplained: "not explained by the sentence above",
  firstTime: "first time",
  timesUsual: (times) => `${times}× the usual`,
  alphabets: (names) => `has ${names.join(" and ")} letters, which may look like Latin ones`,
  standIns: "has characters that stand for others",
  why: "Why you are asked",
  before: (count) => `Request ${count + 1} of this agent within a day.`,
  gives: "Approving gives",
  once: "Exactly this, once.",
  lease: (seconds) => `Exactly this, once, with a credential for ${seconds} seconds.`,
  said: "What the agent says (not verified)",
}

const de: CardWords = {
  decimal: ",",
  quotes: ["„", "“"],
  nothing: "nichts",
  notGiven: (name) => `(${name}: nicht angegeben)`,
  yes: "ja",
  no: "nein",
  entries: (count) => (count === 0 ? "keine Einträge" : count === 1 ? "1 Eintrag" : `${count} Einträge`),
  more: (count) => `und ${count} weitere`,
  leftOut: (count) => `${count} weitere Zeichen`,
  neutral: (operation, resource) => `${operation} · ${resource}`,
  untold: "Für diesen Vorgang hat niemand einen Satz geschrieben. Lesen Sie jeden Wert.",
  elevated: {
    money: "Bewegt Geld",
    people: "Betrifft Menschen",
    permissions: "Ändert, wer was darf",
    publication: "Geht nach außen",
  },
  irreversible: "Nicht rückgängig zu machen",
  agent: "Agent",
  runBy: (owner) => `betrieben von ${owner}`,
  forWhom: "Für",
  at: (subject, provider) => `${subject} (${provider})`,
  nobody: "niemand Bestimmten",
  purpose: "Zweck",
  application: "Über",
  through: "Weitergegeben von",
  asked: {
    consent: "Der Auftrag, gelesen und erlaubt auf unserer Seite",
    application: "Der Auftrag in der Anwendung",
    passkey: "Der Auftrag, mit einem Passkey unterschrieben",
  },
  exactly: "Genau das",
  noArguments: "Ohne Werte.",
  sink: "bestimmt, wohin es geht",
  verified: {
    request: "geprüft: steht im Auftrag",
    claim: "geprüft: ist das Eigene der Person",
    parameter: "geprüft: wurde zu Beginn angegeben",
    made: "geprüft: entstand in dieser Sitzung",
    lookup: "geprüft: im führenden System nachgesehen",
    constant: "geprüft: einer der erlaubten Werte",
    bound: "geprüft: innerhalb der Grenze",
    form: "geprüft: hat die erlaubte Form",
    absent: "geprüft: fehlt, wie es soll",
    earlier: "geprüft: als es zuerst erlaubt wurde",
  },
  verifiedSomehow: "geprüft",
  unverifiable: "nicht geprüft",
  free: "ohne Prüfung",
  unexplained: "kommt im Satz oben nicht vor",
  firstTime: "zum ersten Mal",
  timesUsual: (times) => `das ${times}-Fache des Üblichen`,
  alphabets: (names) => `hat Buchstaben (${names.join(", ")}), die lateinischen gleichen können`,
  standIns: "hat Zeichen, die für andere stehen",
  why: "Warum Sie gefragt werden",
  before: (count) => `Anfrage ${count + 1} dieses Agenten binnen eines Tages.`,
  gives: "Ihre Zustimmung gibt",
  once: "Genau das, einmal.",
  lease: (seconds) => `Genau das, einmal, mit einem Zugang für ${seconds} Sekunden.`,
  said: "Was der Agent sagt (nicht geprüft)",
}

/** By language. */
export const cardWords: { readonly [Each in Locale]: CardWords } = { en, de }
