import { createHash } from "node:crypto"
import type { KoaContextWithOIDC } from "oidc-provider"
import type { Person } from "./people.ts"

/** The part of a context that a page needs. */
type Answer = {
  status: number
  type: string
  body: unknown
  set(headers: { [name: string]: string }): void
}

/** Who do you want to be? One button for each. */
export function signInPage(answer: Answer, people: readonly Person[], client: string): void {
  const buttons = people.map(
    ({ sub, name, claims }) =>
      `<li><button name="person" value="${escaped(sub)}"><strong>${escaped(name)}</strong><span>${escaped(about(claims))}</span></button></li>`,
  )
  show(answer, {
    title: `Sign in to ${client}`,
    main: `<h1>Sign in to ${escaped(client)}</h1>
<p>Who are you today?</p>
<form method="post">
<ul>${buttons.join("")}</ul>
<button class="quiet" name="cancel" value="yes">Cancel</button>
</form>`,
  })
}

/** Asks before it signs out: a link alone must not. `form` is oidc-provider's, which the buttons belong to. */
export function signOutPage(ctx: KoaContextWithOIDC, form: string): void {
  show(ctx, {
    title: "Sign out?",
    main: `<h1>Sign out?</h1>
<p>Everything that you signed in to with this provider will be told.</p>
${form}
<button class="first" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button class="quiet" form="op.logoutForm">Stay signed in</button>`,
  })
}

/** Where somebody lands who signed out, unless the client named another place. */
export function signedOutPage(ctx: KoaContextWithOIDC): void {
  messagePage(ctx, 200, "You are signed out", "You may close this page.")
}

/** A request that cannot be answered to the client, because nobody knows whether it is one. */
export function errorPage(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string | undefined },
): void {
  messagePage(
    ctx,
    ctx.status,
    "This request was refused",
    [out.error, out.error_description].filter(Boolean).join(": "),
  )
}

/** One sentence, and nothing to do. */
export function messagePage(answer: Answer, status: number, title: string, sentence: string): void {
  show(answer, { title, main: `<h1>${escaped(title)}</h1>\n<p>${escaped(sentence)}</p>` }, status)
}

function show(answer: Answer, { title, main }: { title: string; main: string }, status = 200): void {
  answer.status = status
  answer.type = "html"
  answer.set(headers)
  answer.body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${main}
</main>
<footer>A provider for trying things out, on this machine only. There are no passwords, and nobody is protected.</footer>
</body>
</html>
`
}

/** What tells people apart at a glance. */
function about(claims: Person["claims"]): string {
  const groups = Array.isArray(claims["groups"]) ? claims["groups"].join(", ") : ""
  return claims["customer_id"] === undefined ? groups : `customer ${claims["customer_id"]}`
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

const style = `
:root { color-scheme: light dark; --ink: #1d2430; --dim: #5a6474; --paper: #f4f5f7; --card: #fff; --line: #d3d8e0; --edge: #7b8696; --focus: #1c5fd4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --dim: #a7b0be; --paper: #14181f; --card: #1d232c; --line: #323b47; --edge: #6f7b8c; --focus: #8ab4ff }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 1.5rem;
  padding: 1.5rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0; font-size: 1.375rem; line-height: 1.3; overflow-wrap: anywhere }
p { margin: .5rem 0 1.5rem; color: var(--dim); overflow-wrap: anywhere }
p:last-child { margin-bottom: 0 }
ul { display: grid; gap: .75rem; margin: 0 0 1rem; padding: 0; list-style: none }
button { width: 100%; min-height: 3rem; padding: .75rem 1rem; border: 1px solid var(--edge); border-radius: .5rem; background: transparent;
  color: inherit; font: inherit; cursor: pointer }
li button { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; text-align: left }
button span { color: var(--dim) }
button:hover { border-color: var(--focus) }
button:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px }
.first { margin-bottom: 1rem; border-color: var(--ink); background: var(--ink); color: var(--card); font-weight: 600 }
.quiet { border-color: transparent; color: var(--dim) }
footer { max-width: 26rem; color: var(--dim); font-size: .875rem; text-align: center; text-wrap: balance }
@media (max-width: 30rem) { main { padding: 1.5rem } }
`

const headers = {
  // No `form-action`: Chromium applies it to every redirect that follows a form, and these lead to whatever client asked.
  "content-security-policy": `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; frame-ancestors 'none'`,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
}
