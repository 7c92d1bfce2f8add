import { type Html, html } from "./html.ts"
import { style, styleSource } from "./style.ts"

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
}

/** The page as an answer. Nothing of it rests in a cache, runs, is framed, or is told to another site. */
export function pageResponse({ title, main, who = null, leadsTo = null, status = 200, cookies = [] }: Page): Response {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Safeconduct</title>
<style>${{ html: style }}</style>
</head>
<body>
<header><b>Safeconduct</b>${who !== null && html`<span>${who}</span>`}</header>
<main>
${main}
</main>
</body>
</html>
`
  const targets = leadsTo === null ? "'self'" : `'self' ${new URL(leadsTo).origin}`
  const policy = [
    "default-src 'none'",
    `style-src ${styleSource}`,
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

const shared = {
  "cache-control": "no-store",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
}
