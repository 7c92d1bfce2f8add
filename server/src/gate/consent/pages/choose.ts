import { html } from "./html.ts"
import type { Page } from "./page.ts"

/** Where to sign in, when there is a choice. */
export function choosePage(places: readonly { name: string; host: string; url: string }[]): Page {
  if (places.length === 0) {
    const main = html`<h1>Nobody can sign in here</h1>
<p class="lead">No identity provider is configured.</p>
<p class="soft">Tell whoever runs this: <code>providers</code> in <code>safeconduct.yaml</code>.</p>`
    return { title: "Nobody can sign in here", main, status: 404 }
  }
  const links = places.map(
    ({ name, host, url }) => html`<a class="button" href="${url}">${name}<span class="soft">&nbsp;· ${host}</span></a>`,
  )
  const main = html`<h1>Where do you sign in?</h1>
<p class="lead">Safeconduct keeps no password. You say who you are where you always do.</p>
<nav class="choices" aria-label="Identity providers">${links}</nav>`
  return { title: "Sign in", main }
}
