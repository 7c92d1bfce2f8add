import { type Refusal, refusals } from "#kernel"
import { html } from "./html.ts"
import { pageResponse } from "./page.ts"

/** A refusal for people: what happened, and what they can do. */
export function problemPage(refusal: Refusal): Response {
  const { status, isRetryable } = refusals[refusal.code]
  return pageResponse({
    title: "This did not work",
    status,
    main: html`<h1>This did not work</h1>
<p class="lead">${refusal.message}</p>
<p class="soft">${isRetryable && html`Try again in a moment. `}Nothing was allowed.</p>
<p class="soft notes"><code>${refusal.code}</code></p>`,
  })
}
