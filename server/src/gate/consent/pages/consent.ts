import { type ConsentText, inSight } from "#sessions"
import { type Html, html } from "./html.ts"
import type { Page } from "./page.ts"
import { dayInWords, secondsInWords } from "./time.ts"

/** What the form around the text needs: where it goes, what proves that it is ours, and what is chosen so far. */
export type ConsentForm = {
  action: string
  token: string
  /** Digest of the text, so that what comes back is about what was shown. */
  shown: string
  /** Why it is shown again. */
  problem: string | null
  leadsTo: string | null
  who: string
}

/** The page that a user decides on. Everything of it that matters stands in the text, which is recorded. */
export function consentPage(text: ConsentText, form: ConsentForm): Page {
  const { agent, purpose } = text
  const main = html`<form method="post" action="${form.action}" autocomplete="off">
<input type="hidden" name="form" value="${form.token}">
<input type="hidden" name="shown" value="${form.shown}">
<h1>Let ${agent.name} act for you?</h1>
<p class="lead">${purpose.description}</p>
${form.problem !== null && html`<p class="warn" role="alert">${form.problem}</p>`}
${partiesOf(text)}
${requestOf(text)}
<fieldset aria-describedby="less">
<legend><h2>It may</h2></legend>
<div class="picks">${text.actions.map(pickOf)}</div>
</fieldset>
<p class="soft" id="less">${earlierOf(text)}Take the tick away from what it may not do.</p>
<fieldset>
<legend><h2>For how long at the most</h2></legend>
<div class="times">${timesOf(text.longestSeconds)}</div>
</fieldset>
<div class="notes soft">
<p>It acts under its own name, on your behalf. Everything that it does is recorded, and you can end it at any time on your page.</p>
<p>Your answer is remembered until you take it back. You are asked again when it wants more, or says what you asked for.</p>
<p>If you did not just ask for this, deny it.</p>
</div>
<div class="answer">
<button class="button" name="decision" value="deny">Deny</button>
<button class="button yes" name="decision" value="allow">Allow</button>
</div>
</form>`
  return { title: `Let ${agent.name} act for you?`, main, leadsTo: form.leadsTo, who: form.who }
}

function partiesOf({ agent, application, purpose }: ConsentText): Html {
  return html`<div class="who"><dl>
<dt>Agent</dt><dd>${agent.name}${agent.description !== "" && html` · ${agent.description}`}</dd>
<dt>Run by</dt><dd>${agent.owner}</dd>
<dt>Asked by</dt><dd>${application === null ? "the agent itself" : html`${application.name} · ${application.description}`}</dd>
<dt>Purpose</dt><dd>${purpose.name}</dd>
</dl>
<p class="soft"><code>${agent.spiffeId}</code>, proven by a key that nobody else has</p></div>`
}

/** The agent's words stand apart, and say that they are: they count as the user's only because of the answer to this page. */
function requestOf({ agent, application, request, parameters }: ConsentText): Html | null {
  if (request === null && parameters.length === 0) return null
  const isAgents = [request?.from, ...parameters.map(({ from }) => from)].includes("agent")
  const teller = isAgents ? agent.name : (application?.name ?? agent.name)
  const values = parameters.map(
    ({ description, value }) => html`<dt>${description}</dt><dd dir="auto">${inSight(String(value))}</dd>`,
  )
  return html`<section aria-labelledby="request">
<h2 id="request">What you asked for, as ${teller} says</h2>
${request !== null && html`<blockquote dir="auto">${inSight(request.text)}</blockquote>`}
${parameters.length > 0 && html`<dl class="values">${values}</dl>`}
${isAgents && html`<p class="warn">Nobody has checked these words. Allow this only if they say what you want.</p>`}
</section>`
}

function pickOf({ key, phrases, isNew }: ConsentText["actions"][number]): Html {
  const words = phrases.map((phrase) => html`<span class="first">${phrase}</span>`)
  const mark = isNew && html`<span class="new">New</span>`
  return html`<label class="pick"><input type="checkbox" name="action-${key}" checked><span>${words}${mark}</span></label>`
}

function earlierOf({ earlier, actions }: ConsentText): Html | null {
  if (earlier === null) return null
  const what = actions.some(({ isNew }) => isNew) ? "What is new is marked." : "It asks for no more than that."
  return html`You allowed it something on ${dayInWords(earlier)}. ${what} `
}

/** Times that are offered beside the longest: shorter ones that mean something to people. */
const SHORTER = [900, 3_600, 14_400, 86_400]

/** Everything that may be chosen, the longest last. */
export function offeredSeconds(longest: number): number[] {
  return [...SHORTER.filter((seconds) => seconds < longest), longest]
}

function timesOf(longest: number): Html[] {
  return offeredSeconds(longest).map(
    (seconds) =>
      html`<label class="time"><input type="radio" name="seconds" value="${seconds}"${
        seconds === longest && html` checked`
      }>${secondsInWords(seconds)}</label>`,
  )
}
