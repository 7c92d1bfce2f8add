import type { Locale } from "#approvals"

/** Sentences of the pages on which people look after their passkeys. */
export type PasskeyWords = {
  title: string
  lead: string
  those: string
  none: string
  add: string
  lost: string
  added: (day: string) => string
  used: (day: string) => string
  neverUsed: string
  copied: string
  notCopied: string
  waits: (moment: string | null) => string
  rename: string
  renameLabel: string
  save: string
  revoke: string
  revokeNamed: (label: string) => string
  newTitle: string
  newLead: string
  newVouching: string
  newWaits: (wait: number | "operator") => string
  label: string
  suggestion: string
  make: string
  lostTitle: string
  lostLead: string
  lostWhat: readonly string[]
  lostDo: string
  lostDone: string
  lostNext: string
  back: string
  script: { readonly [Name in "making" | "vouching" | "declined" | "failed" | "noPasskeys"]: string }
}

const en: PasskeyWords = {
  title: "Your passkeys",
  lead: "With a passkey you sign what you approve. Your device asks for your finger, your face or your PIN, and keeps the key.",
  those: "What you sign with",
  none: "You have no passkey yet.",
  add: "Add a passkey",
  lost: "I lost a device",
  added: (day) => `Added on ${day}.`,
  used: (day) => `Last used on ${day}.`,
  neverUsed: "Not used yet.",
  copied: "Copied to your other devices.",
  notCopied: "On one device only.",
  waits: (moment) =>
    moment === null
      ? "It was added after others were lost, and counts once an operator confirms it."
      : `It was added after others were lost, and counts from ${moment} on.`,
  rename: "Rename",
  renameLabel: "New name",
  save: "Save",
  revoke: "Revoke",
  revokeNamed: (label) => `Revoke ${label}`,
  newTitle: "Add a passkey",
  newLead: "Your device makes a key that only you can use. We learn its public half.",
  newVouching: "Then you confirm it with a passkey that you have.",
  newWaits: (wait) =>
    wait === "operator"
      ? "You had passkeys before and have none now, so this one counts once an operator confirms it."
      : `You had passkeys before and have none now, so this one counts in ${hours(wait, "hour", "hours")}. You are told wherever we can reach you.`,
  label: "What you call it",
  suggestion: "My phone",
  make: "Make a passkey",
  lostTitle: "I lost a device",
  lostLead: "At once, and for all of your devices:",
  lostWhat: [
    "every passkey of yours is revoked: nothing is approved with one any more",
    "what waits for your approval is withdrawn, and leave that you gave for more is taken back",
    "you are signed out in every browser, this one too",
    "you are told wherever we can reach you",
  ],
  lostDo: "Revoke everything",
  lostDone: "Everything is revoked",
  lostNext:
    "Sign in again to add a new passkey. It does not count at once, so that nobody else could do this in your place.",
  back: "Back to your passkeys",
  script: {
    making: "Follow what your device asks.",
    vouching: "Now confirm it with a passkey that you have.",
    declined: "No passkey was made. You can try again.",
    failed: "No passkey was made: your device and this page do not understand each other.",
    noPasskeys: "This browser makes no passkeys. Open the page on your phone.",
  },
}

const de: PasskeyWords = {
  title: "Ihre Passkeys",
  lead: "Mit einem Passkey unterschreiben Sie, wem Sie zustimmen. Ihr Gerät fragt nach Finger, Gesicht oder PIN und behält den Schlüssel.",
  those: "Womit Sie unterschreiben",
  none: "Sie haben noch keinen Passkey.",
  add: "Passkey hinzufügen",
  lost: "Ich habe ein Gerät verloren",
  added: (day) => `Hinzugefügt am ${day}.`,
  used: (day) => `Zuletzt benutzt am ${day}.`,
  neverUsed: "Noch nicht benutzt.",
  copied: "Auch auf Ihren anderen Geräten.",
  notCopied: "Nur auf einem Gerät.",
  waits: (moment) =>
    moment === null
      ? "Er kam nach einem Verlust hinzu und gilt, sobald jemand vom Betrieb ihn bestätigt."
      : `Er kam nach einem Verlust hinzu und gilt ab ${moment}.`,
  rename: "Umbenennen",
  renameLabel: "Neuer Name",
  save: "Speichern",
  revoke: "Sperren",
  revokeNamed: (label) => `${label} sperren`,
  newTitle: "Passkey hinzufügen",
  newLead: "Ihr Gerät macht einen Schlüssel, den nur Sie benutzen können. Wir erfahren seine öffentliche Hälfte.",
  newVouching: "Danach bestätigen Sie ihn mit einem Passkey, den Sie schon haben.",
  newWaits: (wait) =>
    wait === "operator"
      ? "Sie hatten Passkeys und haben keinen mehr; dieser gilt, sobald jemand vom Betrieb ihn bestätigt."
      : `Sie hatten Passkeys und haben keinen mehr; dieser gilt in ${hours(wait, "Stunde", "Stunden")}. Sie erfahren davon, wo immer wir Sie erreichen.`,
  label: "Wie Sie ihn nennen",
  suggestion: "Mein Telefon",
  make: "Passkey erstellen",
  lostTitle: "Ich habe ein Gerät verloren",
  lostLead: "Sofort und für alle Ihre Geräte:",
  lostWhat: [
    "jeder Ihrer Passkeys wird gesperrt: Mit keinem wird mehr zugestimmt",
    "was auf Ihre Zustimmung wartet, wird zurückgezogen; was Sie darüber hinaus erlaubt haben, zurückgenommen",
    "Sie werden in jedem Browser abgemeldet, auch in diesem",
    "Sie erfahren davon, wo immer wir Sie erreichen",
  ],
  lostDo: "Alles sperren",
  lostDone: "Alles ist gesperrt",
  lostNext:
    "Melden Sie sich neu an, um einen Passkey hinzuzufügen. Er gilt nicht sofort, damit niemand anders dies an Ihrer Stelle tun konnte.",
  back: "Zurück zu Ihren Passkeys",
  script: {
    making: "Folgen Sie Ihrem Gerät.",
    vouching: "Bestätigen Sie ihn jetzt mit einem Passkey, den Sie schon haben.",
    declined: "Es wurde kein Passkey erstellt. Sie können es noch einmal versuchen.",
    failed: "Es wurde kein Passkey erstellt: Ihr Gerät und diese Seite verstehen einander nicht.",
    noPasskeys: "Dieser Browser erstellt keine Passkeys. Öffnen Sie die Seite auf Ihrem Telefon.",
  },
}

function hours(seconds: number, one: string, many: string): string {
  const count = Math.max(1, Math.ceil(seconds / 3_600))
  return `${count} ${count === 1 ? one : many}`
}

/** By language. */
export const passkeyWords: { readonly [Each in Locale]: PasskeyWords } = { en, de }
