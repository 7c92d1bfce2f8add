import { type Html, html } from "./html.ts"
import type { Page } from "./page.ts"
import { dayInWords, momentInWords, secondsInWords } from "./time.ts"

/** An agent that acts for the user now. */
export type Acting = {
  id: string
  agent: string
  purpose: string
  application: string | null
  through: string | null
  since: Date
  until: Date
  did: readonly string[]
}

/** What the user allowed, and is remembered. */
export type Remembered = {
  id: string
  agent: string
  purpose: string
  application: string | null
  phrases: readonly string[]
  hardEndSeconds: number
  givenAt: Date
}

/** Leave that the user gave for more of what they approved. */
export type Left = { id: string; agent: string; what: string; left: number; of: number; until: Date }

/** What the user's own page shows. `tokenOf` makes the token of each of its forms. */
export type Mine = {
  who: string
  acting: readonly Acting[]
  remembered: readonly Remembered[]
  left: readonly Left[]
  tokenOf: (path: string) => string
  /** Where signing out leads, beside here. */
  leadsTo: string | null
}

/** The user's own page: who acts for them, what they allowed, and an end to any of it with one tap. */
export function mePage({ who, acting, remembered, left, tokenOf, leadsTo }: Mine): Page {
  const form = (path: string, label: string, named: string, kind = "small") =>
    html`<form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}">
<button class="button ${kind}" aria-label="${named}">${label}</button></form>`
  const main = html`<h1>Who acts for you</h1>
<p class="lead">${acting.length === 0 ? "No agent acts for you now." : countOf(acting.length)}</p>
${
  acting.length > 0 &&
  html`<h2>Now</h2>
<ul class="list">${acting.map((each) => actingItem(each, form))}</ul>`
}
<h2>What you allowed</h2>
${
  remembered.length === 0
    ? html`<p>Nothing is remembered. An agent that wants to act for you has to ask.</p>`
    : html`<ul class="list">${remembered.map((each) => rememberedItem(each, form))}</ul>`
}
${
  left.length > 0 &&
  html`<h2>What may be done without asking you</h2>
<ul class="list">${left.map((each) => leftItem(each, form))}</ul>`
}
<div class="end">
${(acting.length > 0 || remembered.length > 0) && form("/me/everything", "End everything", "End everything and take back all that you allowed")}
<a class="button small" href="/approvals">What waits for you</a>
<a class="button small" href="/me/passkeys">Your passkeys</a>
<a class="button small" href="/me/notifications">How you are told</a>
${form("/me/sign-out", "Sign out", "Sign out")}
</div>`
  return { title: "Who acts for you", main, who, leadsTo }
}

type FormOf = (path: string, label: string, named: string) => Html

function actingItem(each: Acting, form: FormOf): Html {
  const { id, agent, purpose, application, through, since, until, did } = each
  return html`<li><div class="row"><h3>${agent}</h3>${form(`/me/sessions/${id}/end`, "End", `End ${agent}: ${purpose}`)}</div>
<p>${purpose}</p>
<p class="soft">${application !== null && html`Asked by ${application}. `}${through !== null && html`Handed on by ${through}. `}Since ${momentInWords(since)}, until ${momentInWords(until)} at the latest.</p>
${did.length > 0 && html`<ul class="did soft">${did.map((line) => html`<li>${line}</li>`)}</ul>`}
</li>`
}

function rememberedItem(each: Remembered, form: FormOf): Html {
  const { id, agent, purpose, application, phrases, hardEndSeconds, givenAt } = each
  const named = `Take back what ${agent} may do: ${purpose}`
  return html`<li><div class="row"><h3>${agent}</h3>${form(`/me/consents/${id}/revocation`, "Take back", named)}</div>
<p>${purpose}</p>
<ul class="phrases">${phrases.map((phrase) => html`<li class="first">${phrase}</li>`)}</ul>
<p class="soft">${application !== null && html`Through ${application}. `}For ${secondsInWords(hardEndSeconds)} each time. Since ${dayInWords(givenAt)}.</p></li>`
}

function leftItem({ id, agent, what, left, of, until }: Left, form: FormOf): Html {
  const named = `Take back what ${agent} may do without asking: ${what}`
  return html`<li><div class="row"><h3>${agent}</h3>${form(`/me/grants/${id}/revocation`, "Take back", named)}</div>
<p>${what}</p>
<p class="soft">${left} of ${of} left, until ${momentInWords(until)} at the latest.</p></li>`
}

function countOf(count: number): string {
  return count === 1 ? "One agent acts for you now." : `${count} agents act for you now.`
}
