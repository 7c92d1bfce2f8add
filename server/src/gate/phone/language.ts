import { type Locale, locales } from "#approvals"
import { setCookie } from "../consent/cookies.ts"
import type { Visit } from "../consent/visit.ts"

/** The language of a page for its reader: what they chose, else the first of their browser's that we write in, else English. */
export function languageOf({ cookies, headers }: Visit): Locale {
  return known(cookies.language) ?? preferred(headers.get("accept-language") ?? "") ?? "en"
}

/** The same visit in the language that a link of ours asks for, which is remembered. */
export function chosen(visit: Visit, language: string | undefined): Visit {
  const locale = known(language ?? null)
  if (locale === null) return visit
  const cookies = { ...visit.cookies, language: locale }
  return { ...visit, cookies, setCookies: [...visit.setCookies, setCookie(visit.issuer, "language", locale)] }
}

function known(language: string | null): Locale | null {
  return locales.find((each) => each === language) ?? null
}

/** RFC 9110 §12.5.4, without wildcards. */
function preferred(accepted: string): Locale | null {
  const wanted = accepted.split(",").flatMap((each, at) => {
    const [tag = "", ...parameters] = each
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/)
    const weight = Number(/^q=(.+)$/.exec(parameters[0] ?? "q=1")?.[1])
    const locale = known(tag.split("-")[0]!)
    return locale !== null && weight > 0 ? [{ locale, weight, at }] : []
  })
  return wanted.sort((a, b) => b.weight - a.weight || a.at - b.at)[0]?.locale ?? null
}
