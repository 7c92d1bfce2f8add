import { type Html, html } from "./html.ts"
import { sourceOf, style, styleSource } from "./style.ts"

/** A page: what a browser shows, and what it may send to. */
export type Page = {
  title: string
  main: Html
  /** Who is signed in, shown at the top. */
  who?: string | null
  /** Where its forms may end up beside here: the origin that a decision leads back to (CSP Level 3 §6.4.2, which counts redirects). */
  leadsTo?: string | null
  status?: number
  cookies?: readonly string[]
  /** BCP 47; English unless told. */
  lang?: string
  /** What it loads beside itself; a page loads nothing unless told. */
  loads?: { style: string; head: Html; navigation: Html }
}

/** The page as an answer. Nothing of it rests in a cache, is framed, or is told to another site; nothing runs but scripts of ours. */
export function pageResponse(page: Page): Response {
  const { title, main, who = null, leadsTo = null, status = 200, cookies = [], lang = "en", loads = null } = page
  const document = html`<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Safeconduct</title>
<style>${{ html: style + (loads?.style ?? "") }}</style>
${loads?.head ?? null}</head>
<body>
<header><b>Safeconduct</b>${who !== null && html`<span>${who}</span>`}</header>
${loads?.navigation ?? null}<main>
${main}
</main>
</body>
</html>
`
  const targets = leadsTo === null ? "'self'" : `'self' ${new URL(leadsTo).origin}`
  const policy = [
    "default-src 'none'",
    `style-src ${loads === null ? styleSource : sourceOf(style + loads.style)}`,
    ...(loads === null ? [] : OWN.map((kind) => `${kind} 'self'`)),
    `form-action ${targets}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  const headers = new Headers({
    ...shared,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy.join("; "),
    // For browsers that do not know frame-ancestors.
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
  })
  for (const cookie of cookies) headers.append("set-cookie", cookie)
  return new Response(document.html, { status, headers })
}

/** Sends the browser on with a GET, whatever it came with (RFC 9700 §4.12). */
export function seeOther(url: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ ...shared, location: url })
  for (const cookie of cookies) headers.append("set-cookie", cookie)
  return new Response(null, { status: 303, headers })
}

/** What such a page may load, from us alone. */
const OWN = ["script-src", "connect-src", "manifest-src", "worker-src", "img-src"]

const shared = {
  "cache-control": "no-store",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
}
