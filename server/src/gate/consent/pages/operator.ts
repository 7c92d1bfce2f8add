import { html } from "./html.ts"
import type { Page } from "./page.ts"
import { secondsInWords } from "./time.ts"

/** What the page shows that asks whether a command line may act for somebody. */
export type OperatorForm = {
  action: string
  token: string
  roles: readonly string[]
  /** What the command line has to show as well. */
  compared: string
  seconds: number
  leadsTo: string
}

/** What each role may, in the words of the reference. */
const MAY: { readonly [role: string]: string } = {
  admin: "everything: name operators, put policies in force, hand over secrets of resources",
  operator: "see everything; let agents join, suspend and retire them, end sessions",
  auditor: "see everything, and read the log",
  approver: "see agents and sessions",
}

/** The page on which somebody lets a command line act for them, or does not. */
export function operatorPage({ action, token, roles, compared, seconds, leadsTo }: OperatorForm): Page {
  const title = "Let a command line act for you?"
  const main = html`<form method="post" action="${action}" autocomplete="off">
<input type="hidden" name="form" value="${token}">
<h1>${title}</h1>
<p class="lead">A command line on this machine asks to act as an operator of Safeconduct, in your name.</p>
<section aria-labelledby="compare" class="compare">
<h2 id="compare">Your terminal has to show exactly this</h2>
<p class="compared">${compared}</p>
</section>
<section aria-labelledby="roles">
<h2 id="roles">It may</h2>
<dl class="values">${roles.map((role) => html`<dt>${role}</dt><dd>${MAY[role] ?? ""}</dd>`)}</dl>
</section>
<div class="notes">
<p class="warn">If you did not just type <code>safeconduct login</code> yourself, or your terminal shows anything else, deny this: somebody wants your rights. Nobody has a reason to send you this page.</p>
<p class="soft">For ${secondsInWords(seconds)} at the most, and until you sign out at your provider. Everything that it does is recorded in your name.</p>
</div>
<div class="answer">
<button class="button" name="decision" value="deny">Deny</button>
<button class="button yes" name="decision" value="allow">Allow</button>
</div>
</form>`
  return { title, main, leadsTo }
}

/** For somebody whose claims are worth no role. */
export function noRolePage(provider: string): Page {
  const title = "You have no role here"
  const main = html`<h1>${title}</h1>
<p class="lead">You are signed in at ${provider}, but what it says of you is worth no role of an operator. Nothing was given.</p>
<p class="soft">Ask whoever runs Safeconduct which group you need: <code>providers.${provider}.roles</code> in <code>safeconduct.yaml</code>. You can close this page, and stop the command line.</p>`
  return { title, main, status: 403 }
}
