import type { Approval, Locale } from "#approvals"

/** Sentences of the pages around cards, in one language. Those on the cards are the room's: they are signed. */
export type PhoneWords = {
  tabs: { approvals: string; history: string; me: string }
  language: string
  nothingWaits: string
  waiting: (count: number) => string
  unusualMark: string
  several: (count: number) => string
  asks: (agent: string) => string
  minutesLeft: (minutes: number) => string
  changed: string
  history: string
  noHistory: string
  forgotten: string
  states: { readonly [State in Approval["state"]]: string }
  refusedTogether: string
  refusedTogetherHelp: string
  used: string
  notUsed: string
  youSaid: { readonly [Decision in "approve" | "deny" | "report"]: string }
  waitsForOthers: string
  at: (moment: string) => string
  agoOf: (seconds: number) => string
  asked: string
  timeLeft: string
  moreTime: string
  code: string
  site: string
  everything: string
  everythingHelp: string
  sameAsAbove: string
  choose: string
  thisOne: string
  deny: string
  denyChosen: string
  approve: string
  approveChosen: string
  report: string
  unseen: string
  noScript: string
  noPasskey: string
  addPasskey: string
  stepUp: string
  stepUpHelp: string
  askedThere: string
  back: string
  script: { readonly [Name in "signing" | "declined" | "mismatch" | "noPasskeys" | "soon"]: string }
}

const en: PhoneWords = {
  tabs: { approvals: "Waiting", history: "History", me: "Who acts for you" },
  language: "Deutsch",
  nothingWaits: "Nothing waits for you. You can close this page.",
  waiting: (count) => (count === 1 ? "One thing waits for your decision." : `${count} things wait for your decision.`),
  unusualMark: "Not as usual",
  several: (count) => `${count} alike`,
  asks: (agent) => `${agent} asks`,
  minutesLeft: (minutes) => (minutes <= 1 ? "less than a minute left" : `${minutes} minutes left`),
  changed: "There is something new here.",
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
  refusedTogether: "Refused: too many of one kind at once",
  refusedTogetherHelp:
    "Nothing of it happened, and you are not asked for the like for a while. If you did not ask for this, report it: that stops the agent.",
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
  moreTime: "I need more time",
  code: "Check code",
  site: "Site",
  everything: "Everything",
  everythingHelp: "The action as machines read it. This is what is signed, with the lines above.",
  sameAsAbove: "The same as above",
  choose: "Take the tick away from what you leave undecided.",
  thisOne: "This one",
  deny: "Deny",
  denyChosen: "Deny chosen",
  approve: "Approve once",
  approveChosen: "Approve chosen",
  report: "Deny and report: I did not ask for this",
  unseen: "Read to the end of the card first.",
  noScript: "To approve this you sign it with your passkey, which needs scripts. You can deny it without.",
  noPasskey: "To approve this you sign it with a passkey, and you have none yet.",
  addPasskey: "Add a passkey",
  stepUp: "Sign in anew to approve",
  stepUpHelp: "Your provider asks who you are and signs what you approve. You come back here.",
  askedThere: "Your provider asks you. Approve there, and only if it shows the code that stands here.",
  back: "See what else waits",
  script: {
    signing: "Confirm with your passkey.",
    declined: "Nothing was signed. You can try again, or deny.",
    mismatch: "Nothing was signed: what was to be signed is not what you see. Deny this and report it.",
    noPasskeys: "This browser has no passkeys. Open the page on your phone.",
    soon: "Less than a minute is left. You can take more time.",
  },
}

const de: PhoneWords = {
  tabs: { approvals: "Wartet", history: "Verlauf", me: "Wer für Sie handelt" },
  language: "English",
  nothingWaits: "Nichts wartet auf Sie. Sie können diese Seite schließen.",
  waiting: (count) =>
    count === 1 ? "Etwas wartet auf Ihre Entscheidung." : `${count} Anfragen warten auf Ihre Entscheidung.`,
  unusualMark: "Nicht wie üblich",
  several: (count) => `${count} gleichartige`,
  asks: (agent) => `${agent} fragt`,
  minutesLeft: (minutes) => (minutes <= 1 ? "noch unter einer Minute" : `noch ${minutes} Minuten`),
  changed: "Hier gibt es Neues.",
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
  refusedTogether: "Abgelehnt: zu viele von einer Art auf einmal",
  refusedTogetherHelp:
    "Nichts davon ist geschehen, und Sie werden eine Weile nicht danach gefragt. Wenn Sie das nicht wollten, melden Sie es: das hält den Agenten an.",
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
  moreTime: "Ich brauche mehr Zeit",
  code: "Prüfcode",
  site: "Seite",
  everything: "Alles",
  everythingHelp: "Der Vorgang, wie Maschinen ihn lesen. Das wird unterschrieben, mit den Zeilen oben.",
  sameAsAbove: "Dasselbe wie oben",
  choose: "Nehmen Sie das Häkchen weg, wo Sie nichts entscheiden.",
  thisOne: "Diese",
  deny: "Ablehnen",
  denyChosen: "Auswahl ablehnen",
  approve: "Einmal zustimmen",
  approveChosen: "Auswahl zustimmen",
  report: "Ablehnen und melden: nicht von mir",
  unseen: "Lesen Sie die Karte zuerst bis zum Ende.",
  noScript: "Um zuzustimmen, unterschreiben Sie mit Ihrem Passkey; das braucht Skripte. Ablehnen können Sie auch ohne.",
  noPasskey: "Um zuzustimmen, unterschreiben Sie mit einem Passkey, und Sie haben noch keinen.",
  addPasskey: "Passkey hinzufügen",
  stepUp: "Zum Zustimmen neu anmelden",
  stepUpHelp: "Ihr Anbieter fragt, wer Sie sind, und unterschreibt, wozu Sie zustimmen. Danach sind Sie wieder hier.",
  askedThere: "Ihr Anbieter fragt Sie. Stimmen Sie dort zu, und nur, wenn er den Code zeigt, der hier steht.",
  back: "Zeigen, was noch wartet",
  script: {
    signing: "Bestätigen Sie mit Ihrem Passkey.",
    declined: "Es wurde nichts unterschrieben. Versuchen Sie es noch einmal, oder lehnen Sie ab.",
    mismatch:
      "Es wurde nichts unterschrieben: Was zu unterschreiben war, ist nicht, was Sie sehen. Lehnen Sie ab und melden Sie es.",
    noPasskeys: "Dieser Browser hat keine Passkeys. Öffnen Sie die Seite auf Ihrem Telefon.",
    soon: "Noch unter einer Minute. Sie können sich mehr Zeit nehmen.",
  },
}

/** By language. */
export const phoneWords: { readonly [Each in Locale]: PhoneWords } = { en, de }
