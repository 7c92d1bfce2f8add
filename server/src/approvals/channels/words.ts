import type { NoticeKind } from "../notices/store.ts"

/** Languages that messages are written in; whoever has another reads English. */
export const locales = ["en", "de"] as const

/** One of them. */
export type Locale = (typeof locales)[number]

/** What is said, the same to everybody: which agent, what and for whom stands on the page, behind a sign-in. */
type Words = {
  title: string
  many: (count: number) => string
  news: (count: number) => string
  code: (code: string) => string
} & {
  [Kind in NoticeKind]: string
}

const words: { readonly [Each in Locale]: Words } = {
  en: {
    title: "Safeconduct",
    asked: "Something waits for your decision.",
    told: "Something was done for you.",
    reported: "An agent was reported and stopped.",
    enrolled: "A passkey of yours was added. If that was not you, say so now.",
    lost: "A passkey of yours was removed. If that was not you, say so now.",
    refused: "Something was refused for you.",
    many: (count) => `${count} things wait for your decision.`,
    news: (count) => `There are ${count} things to read.`,
    code: (code) => `Your code is ${code}. Nobody will ask you for it.`,
  },
  de: {
    title: "Safeconduct",
    asked: "Etwas wartet auf Ihre Entscheidung.",
    told: "Etwas wurde für Sie getan.",
    reported: "Ein Agent wurde gemeldet und angehalten.",
    enrolled: "Ein Passkey wurde hinzugefügt. Waren Sie das nicht, melden Sie es jetzt.",
    lost: "Ein Passkey wurde entfernt. Waren Sie das nicht, melden Sie es jetzt.",
    refused: "Etwas wurde für Sie abgelehnt.",
    many: (count) => `${count} Dinge warten auf Ihre Entscheidung.`,
    news: (count) => `Es gibt ${count} Dinge zu lesen.`,
    code: (code) => `Ihr Code ist ${code}. Niemand wird Sie danach fragen.`,
  },
}

/** Title and sentence of a message about that many notices, the first of that kind. */
export function wordsFor(locale: Locale, kind: NoticeKind, count: number): { title: string; sentence: string } {
  const { title, many, news, ...each } = words[locale]
  if (count === 1) return { title, sentence: each[kind] }
  return { title, sentence: kind === "asked" ? many(count) : news(count) }
}

/** Title and sentence of a message that brings a code. */
export function wordsForCode(locale: Locale, code: string): { title: string; sentence: string; isCode: true } {
  return { title: words[locale].title, sentence: words[locale].code(code), isCode: true }
}

/** The language to write in for one that a browser or a provider names (BCP 47). */
export function localeOf(tag: string | null | undefined): Locale {
  const [language] = (tag ?? "").toLowerCase().split(/[-_,;]/)
  return locales.find((each) => each === language) ?? "en"
}
