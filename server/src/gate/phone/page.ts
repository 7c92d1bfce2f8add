import { assets, manifestPath, phoneStyle, scriptPath } from "@safeconduct/console"
import type { Locale } from "#approvals"
import { Refusal } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { setCookie } from "../consent/cookies.ts"
import { type Html, html } from "../consent/pages/html.ts"
import { pageResponse } from "../consent/pages/page.ts"
import { sendToProvider } from "../consent/sign-in.ts"
import { isOwnPage, signedInOf, type Visit, whoInWords } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { phoneWords } from "./words.ts"

/** A page of somebody's own that may load scripts of ours. */
export type PhonePage = {
  title: string
  main: Html
  known: SignedInBrowser
  locale: Locale
  /** Which of them it loads; none unless told. */
  script?: Parameters<typeof scriptPath>[0]
  /** Which tab it is under; a page without one has no tabs, only a way back. */
  tab?: "approvals" | "history" | "me"
  /** Its own path, where it can be had in another language and does not say so itself. */
  path?: string
  status?: number
}

const icon = [...assets().keys()].find((path) => path.endsWith("icon-192.png"))!

/** The page as an answer. */
export function phonePage(visit: Visit, page: PhonePage): Response {
  const { title, main, known, locale, script, tab, path, status } = page
  const words = phoneWords[locale]
  const head = html`<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<meta name="theme-color" content="#f3f5f2" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#101412" media="(prefers-color-scheme: dark)">
<link rel="manifest" href="${manifestPath}">
<link rel="icon" href="${icon}">
<link rel="apple-touch-icon" href="${icon}">
${script !== undefined && html`<script type="module" src="${scriptPath(script)}"></script>`}
`
  const link = (to: string, name: "approvals" | "history" | "me") =>
    html`<a href="${to}"${tab === name && html` aria-current="page"`}>${words.tabs[name]}</a>`
  const navigation =
    tab === undefined
      ? html``
      : html`<nav class="tabs">${[link("/approvals", "approvals"), link("/approvals/history", "history"), link("/me", "me")]}</nav>
`
  return pageResponse({
    title,
    main: path === undefined ? main : html`${main}${linksOf(locale, path)}`,
    who: whoInWords(known),
    lang: locale,
    loads: { style: phoneStyle, head, navigation },
    cookies: visit.setCookies,
    ...(status === undefined ? {} : { status }),
  })
}

/**
 * Answers a form with the way to a provider. A redirect would be kept from leaving by our own policy, which counts every one that
 * follows a form, the provider's own too (CSP Level 3 §6.4.2): so this page goes on by itself.
 */
export function leavingPage(
  visit: Visit,
  { url, known, locale }: { url: string } & Pick<PhonePage, "known" | "locale">,
): Response {
  const words = phoneWords[locale]
  return pageResponse({
    title: words.stepUp,
    main: html`<p class="lead">${words.stepUpHelp}</p>
<p><a class="button" href="${url}">${words.stepUp}</a></p>`,
    who: whoInWords(known),
    lang: locale,
    loads: { style: phoneStyle, head: html`<meta http-equiv="refresh" content="0; url=${url}">\n`, navigation: html`` },
    cookies: visit.setCookies,
  })
}

/** The page in another language, and where else to go. */
export function linksOf(locale: Locale, path: string, back: Html | false = false): Html {
  const other = locale === "en" ? "de" : "en"
  const language = phoneWords[locale].language
  return html`<p class="links">${back}<a href="${path}?language=${other}" hreflang="${other}" lang="${other}">${language}</a></p>`
}

/**
 * Draws a page for whoever is signed in; anybody else signs in first and comes back to it. `path` is its own, without a query.
 */
export async function forSignedIn(
  rooms: Rooms,
  visit: Visit,
  path: string,
  draw: (known: SignedInBrowser) => Promise<Response>,
): Promise<Response> {
  const known = await signedInOf(rooms, visit)
  if (known !== null) return await draw(known)
  if (!isOwnPage(path)) throw new Refusal("not-found", "There is no such page.")
  const after = setCookie(visit.issuer, "after", path)
  return await sendToProvider(rooms, { ...visit, setCookies: [...visit.setCookies, after] }, null)
}
