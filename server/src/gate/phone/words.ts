import type { Approval, Locale } from "#approvals"

/** Sentences of the pages around cards, in one language. Those on the cards are the room's: they are signed. */
export type PhoneWords = {
  tabs: { approvals: string; history: string; me: string }
  language: string
  inbox: string
  nothingWaits: string
  waiting: (count: number) => string
  unusual: string
  unusualMark: string
  several: (count: number) => string
  asks: (agent: string) => string
  minutesLeft: (minutes: number) => string
  changed: string
  show: string
  history: string
  noHistory: string
  forgotten: string
  states: { readonly [State in Approval["state"]]: string }
  used: string
  notUsed: string
  youSaid: { readonly [Decision in "approve" | "deny" | "report"]: string }
  waitsForOthers: string
  at: (moment: string) => string
  agoOf: (seconds: number) => string
  asked: string
  timeLeft: string
  code: string
  codeHelp: string
  site: string
  everything: string
  everythingHelp: string
  facts: { readonly [Name in "digest" | "policies" | "session" | "agent" | "instance" | "key" | "card"]: string }
  action: string
  choose: string
  deny: string
  denyChosen: string
  approve: string
  approveChosen: string
  report: string
  moreTime: string
  gotMoreTime: string
  more: string
  moreHelp: string
  bounds: { readonly [Name in "uses" | "total" | "each"]: string }
  unseen: string
  noScript: string
  noPasskey: string
  addPasskey: string
  back: string
  script: { readonly [Name in "signing" | "declined" | "mismatch" | "noPasskeys"]: string }
}

const en: PhoneWords = {
  tabs: { approvals: "Waiting", history: "History", me: "Who acts for you" },
  language: "Deutsch",
  inbox: "Waiting for you",
  nothingWaits: "Nothing waits for you. You can close this page.",
  waiting: (count) => (count === 1 ? "One thing waits for your decision." : `${count} things wait for your decision.`),
  unusual: "Not as usual",
  unusualMark: "Not as usual",
  several: (count) => `${count} alike`,
  asks: (agent) => `${agent} asks`,
  minutesLeft: (minutes) => (minutes <= 1 ? "less than a minute left" : `${minutes} minutes left`),
  changed: "There is something new here.",
  show: "Show it",
  history: "What you were asked",
  noHistory: "You were not asked anything yet.",
  forgotten: "What was shown is kept in the log only.",
  states: {
    requested: "Waits",
    approved: "Approved",
    denied: "Denied",
    reported: "Denied and reported",
    expired: "Nobody decided in time, so it was denied",
    withdrawn: "Withdrawn: what it was asked for is over",
  },
  used: "It was done.",
  notUsed: "It was not done yet.",
  youSaid: { approve: "You approved it.", deny: "You denied it.", report: "You reported it." },
  waitsForOthers: "It waits for others.",
  at: (moment) => `On ${moment}.`,
  agoOf: (seconds) => {
    const minutes = Math.floor(seconds / 60)
    return minutes < 1 ? "just now" : minutes === 1 ? "a minute ago" : `${minutes} minutes ago`
  },
  asked: "Asked",
  timeLeft: "Time left",
  code: "Check code",
  codeHelp: "whoever sees the same code sees the same action",
  site: "Site",
  everything: "Everything",
  everythingHelp: "What is signed, as machines read it.",
  facts: {
    digest: "Digest of the action",
    policies: "Policies that ask",
    session: "Session",
    agent: "Agent",
    instance: "Instance",
    key: "Its key",
    card: "Card",
  },
  action: "Action",
  choose: "Take the tick away from what you leave undecided.",
  deny: "Deny",
  denyChosen: "Deny chosen",
  approve: "Approve once",
  approveChosen: "Approve chosen",
  report: "Deny and report: I did not ask for this",
  moreTime: "I need more time",
  gotMoreTime: "You have more time.",
  more: "Allow more like this…",
  moreHelp: "Within these bounds, in this session, it is not asked again. You can take it back at any time.",
  bounds: { uses: "How many times, at the most", total: "In all, at the most", each: "Each time, at the most" },
  unseen: "Read to the end of the card first.",
  noScript: "To approve this you sign it with your passkey, which needs scripts. You can deny it without.",
  noPasskey: "To approve this you sign it with a passkey, and you have none yet.",
  addPasskey: "Add a passkey",
  back: "See what else waits",
  script: {
    signing: "Confirm with your passkey.",
    declined: "Nothing was signed. You can try again, or deny.",
    mismatch: "Nothing was signed: what was to be signed is not what you see. Deny this and report it.",
    noPasskeys: "This browser has no passkeys. Open the page on your phone.",
  },
}

const de: PhoneWords = {
  tabs: { approvals: "Wartet", history: "Verlauf", me: "Wer für Sie handelt" },
  language: "English",
  inbox: "Wartet auf Sie",
  nothingWaits: "Nichts wartet auf Sie. Sie können diese Seite schließen.",
  waiting: (count) =>
    count === 1 ? "Etwas wartet auf Ihre Entscheidung." : `${count} Anfragen warten auf Ihre Entscheidung.`,
  unusual: "Nicht wie üblich",
  unusualMark: "Nicht wie üblich",
  several: (count) => `${count} gleichartige`,
  asks: (agent) => `${agent} fragt`,
  minutesLeft: (minutes) => (minutes <= 1 ? "noch unter einer Minute" : `noch ${minutes} Minuten`),
  changed: "Hier gibt es Neues.",
  show: "Anzeigen",
  history: "Was Sie gefragt wurden",
  noHistory: "Sie wurden noch nichts gefragt.",
  forgotten: "Was gezeigt wurde, steht nur noch im Protokoll.",
  states: {
    requested: "Wartet",
    approved: "Zugestimmt",
    denied: "Abgelehnt",
    reported: "Abgelehnt und gemeldet",
    expired: "Niemand hat rechtzeitig entschieden; das heißt abgelehnt",
    withdrawn: "Zurückgezogen: Wofür es war, ist vorbei",
  },
  used: "Es wurde getan.",
  notUsed: "Es wurde noch nicht getan.",
  youSaid: { approve: "Sie haben zugestimmt.", deny: "Sie haben abgelehnt.", report: "Sie haben es gemeldet." },
  waitsForOthers: "Es wartet auf andere.",
  at: (moment) => `Am ${moment}.`,
  agoOf: (seconds) => {
    const minutes = Math.floor(seconds / 60)
    return minutes < 1 ? "eben" : minutes === 1 ? "vor einer Minute" : `vor ${minutes} Minuten`
  },
  asked: "Gefragt",
  timeLeft: "Restzeit",
  code: "Prüfcode",
  codeHelp: "wer denselben Code sieht, sieht denselben Vorgang",
  site: "Seite",
  everything: "Alles",
  everythingHelp: "Was unterschrieben wird, wie Maschinen es lesen.",
  facts: {
    digest: "Prüfsumme des Vorgangs",
    policies: "Regeln, die fragen",
    session: "Sitzung",
    agent: "Agent",
    instance: "Instanz",
    key: "Sein Schlüssel",
    card: "Karte",
  },
  action: "Vorgang",
  choose: "Nehmen Sie das Häkchen weg, wo Sie nichts entscheiden.",
  deny: "Ablehnen",
  denyChosen: "Auswahl ablehnen",
  approve: "Einmal zustimmen",
  approveChosen: "Auswahl zustimmen",
  report: "Ablehnen und melden: Das wollte ich nicht",
  moreTime: "Ich brauche mehr Zeit",
  gotMoreTime: "Sie haben mehr Zeit.",
  more: "Mehr davon erlauben …",
  moreHelp: "In diesen Grenzen wird in dieser Sitzung nicht mehr gefragt. Sie können es jederzeit zurücknehmen.",
  bounds: { uses: "Wie oft höchstens", total: "Zusammen höchstens", each: "Jedes Mal höchstens" },
  unseen: "Lesen Sie die Karte zuerst bis zum Ende.",
  noScript: "Um zuzustimmen, unterschreiben Sie mit Ihrem Passkey; das braucht Skripte. Ablehnen können Sie auch ohne.",
  noPasskey: "Um zuzustimmen, unterschreiben Sie mit einem Passkey, und Sie haben noch keinen.",
  addPasskey: "Passkey hinzufügen",
  back: "Zeigen, was noch wartet",
  script: {
    signing: "Bestätigen Sie mit Ihrem Passkey.",
    declined: "Es wurde nichts unterschrieben. Versuchen Sie es noch einmal, oder lehnen Sie ab.",
    mismatch:
      "Es wurde nichts unterschrieben: Was zu unterschreiben war, ist nicht, was Sie sehen. Lehnen Sie ab und melden Sie es.",
    noPasskeys: "Dieser Browser hat keine Passkeys. Öffnen Sie die Seite auf Ihrem Telefon.",
  },
}

/** By language. */
export const phoneWords: { readonly [Each in Locale]: PhoneWords } = { en, de }
