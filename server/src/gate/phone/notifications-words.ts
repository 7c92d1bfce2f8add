import type { Locale } from "#approvals"

/** Sentences of the page on which people say how they are told. */
export type NotificationWords = {
  title: string
  lead: string
  push: { title: string; none: string; on: string; browser: (nth: number) => string }
  email: { title: string; none: string; label: string; add: string; adopt: (address: string) => string }
  sms: { title: string; none: string; label: string; add: string; why: string }
  unverified: string
  code: string
  confirm: string
  wrongCode: string
  remove: string
  removeNamed: (what: string) => string
  noChannel: string
  wishes: { title: string; lead: string; language: string; from: string; to: string; timeZone: string; save: string }
  standIns: {
    title: string
    lead: string
    standsIn: (name: string, groups: string, until: string) => string
    youStandIn: (name: string, groups: string, until: string) => string
    who: string
    days: string
    appoint: string
    anew: string
    end: string
    unknown: string
  }
  script: { readonly [Name in "noPush" | "notAllowed" | "failed"]: string }
}

const en: NotificationWords = {
  title: "How you are told",
  lead: "When something waits for you, you are told by these ways, one after another. None of them says what it is: that is on your page, behind your sign-in.",
  push: {
    title: "On this device",
    none: "No browser of yours is told.",
    on: "Tell me in this browser",
    browser: (nth) => `Browser ${nth}`,
  },
  email: {
    title: "By e-mail",
    none: "No address.",
    label: "Address",
    add: "Send a code there",
    adopt: (address) => `Use ${address}, which your provider knows to be yours`,
  },
  sms: {
    title: "By SMS, when nothing else is heard",
    none: "No number.",
    label: "Number, with + and country",
    add: "Send a code there",
    why: "Only if you want to: with a number here, you agree to get messages.",
  },
  unverified: "Not used before the code that was sent there is entered.",
  code: "Code",
  confirm: "Confirm",
  wrongCode: "That was not the code, or it is too old. Ask for another after five tries.",
  remove: "Remove",
  removeNamed: (what) => `Remove ${what}`,
  noChannel: "This deployment tells nobody by itself. What waits for you is on your page.",
  wishes: {
    title: "When, and in which language",
    lead: "In your quiet hours only what cannot wait disturbs you. Leave both times empty for none.",
    language: "Language",
    from: "Quiet from",
    to: "until",
    timeZone: "Time zone, such as Europe/Berlin",
    save: "Save",
  },
  standIns: {
    title: "Who stands in for you",
    lead: "In what you decide as a member of a group. What is asked of you yourself stays yours, and nobody passes it on.",
    standsIn: (name, groups, until) => `${name} stands in for you in ${groups}, until ${until}.`,
    youStandIn: (name, groups, until) => `You stand in for ${name} in ${groups}, until ${until}.`,
    who: "Their name at your provider",
    days: "Days",
    appoint: "Let them stand in",
    anew: "Sign in once more to let somebody stand in",
    end: "End this",
    unknown: "Nobody of that name has signed in here.",
  },
  script: {
    noPush: "This browser cannot be told. On an iPhone, add the page to the home screen first.",
    notAllowed: "You did not allow notifications. Nothing was changed.",
    failed: "This browser could not be subscribed. Try again later.",
  },
}

const de: NotificationWords = {
  title: "Wie Sie benachrichtigt werden",
  lead: "Wartet etwas auf Sie, erfahren Sie es auf diesen Wegen, einem nach dem anderen. Keiner sagt, was es ist: Das steht auf Ihrer Seite, hinter der Anmeldung.",
  push: {
    title: "Auf diesem Gerät",
    none: "Keiner Ihrer Browser wird benachrichtigt.",
    on: "In diesem Browser benachrichtigen",
    browser: (nth) => `Browser ${nth}`,
  },
  email: {
    title: "Per E-Mail",
    none: "Keine Adresse.",
    label: "Adresse",
    add: "Code dorthin senden",
    adopt: (address) => `${address} verwenden; Ihr Anbieter weiß, dass sie Ihnen gehört`,
  },
  sms: {
    title: "Per SMS, wenn alles andere ungehört bleibt",
    none: "Keine Nummer.",
    label: "Nummer, mit + und Landesvorwahl",
    add: "Code dorthin senden",
    why: "Nur, wenn Sie möchten: Mit einer Nummer hier stimmen Sie Nachrichten zu.",
  },
  unverified: "Wird erst benutzt, wenn der Code eingegeben ist, der dorthin ging.",
  code: "Code",
  confirm: "Bestätigen",
  wrongCode: "Das war nicht der Code, oder er ist zu alt. Nach fünf Versuchen brauchen Sie einen neuen.",
  remove: "Entfernen",
  removeNamed: (what) => `${what} entfernen`,
  noChannel: "Hier wird niemand von selbst benachrichtigt. Was auf Sie wartet, steht auf Ihrer Seite.",
  wishes: {
    title: "Wann, und in welcher Sprache",
    lead: "In Ihren Ruhezeiten stört Sie nur, was nicht warten kann. Lassen Sie beide Zeiten leer für keine.",
    language: "Sprache",
    from: "Ruhe von",
    to: "bis",
    timeZone: "Zeitzone, etwa Europe/Berlin",
    save: "Speichern",
  },
  standIns: {
    title: "Wer Sie vertritt",
    lead: "Bei dem, was Sie als Mitglied einer Gruppe entscheiden. Was Sie selbst gefragt werden, bleibt bei Ihnen, und niemand gibt es weiter.",
    standsIn: (name, groups, until) => `${name} vertritt Sie in ${groups}, bis ${until}.`,
    youStandIn: (name, groups, until) => `Sie vertreten ${name} in ${groups}, bis ${until}.`,
    who: "Name bei Ihrem Anbieter",
    days: "Tage",
    appoint: "Vertreten lassen",
    anew: "Neu anmelden, um sich vertreten zu lassen",
    end: "Beenden",
    unknown: "Unter diesem Namen hat sich hier niemand angemeldet.",
  },
  script: {
    noPush:
      "Dieser Browser kann nicht benachrichtigt werden. Auf einem iPhone legen Sie die Seite zuerst auf den Startbildschirm.",
    notAllowed: "Sie haben Benachrichtigungen nicht erlaubt. Nichts wurde geändert.",
    failed: "Dieser Browser konnte nicht angemeldet werden. Versuchen Sie es später noch einmal.",
  },
}

/** The sentences by language. */
export const notificationWords: { readonly [Each in Locale]: NotificationWords } = { en, de }
