import { type Approval, type Line, type Locale, lineText, type Person, wasRefusedTogether } from "#approvals"
import { type Html, html } from "../../consent/pages/html.ts"
import { momentInWords } from "../../consent/pages/time.ts"
import { type Asked, drawn, isUnusual, saidOf } from "../found.ts"
import type { PhoneWords } from "../words.ts"

/** What the inbox shows; `state` names it, for a script that looks whether there is something new. */
export type Inbox = { waiting: readonly Asked[]; words: PhoneWords; nowMs: number; state: string }

/** What waits, the first to expire first; what is of one kind together, what is not as usual by itself. */
export function inboxPage({ waiting, words, nowMs, state }: Inbox): { title: string; main: Html } {
  const groups = Map.groupBy(waiting, ({ approval }) => (isUnusual(approval) ? approval.id : approval.bundle))
  const items = [...groups.values()].map((asked) => {
    const [{ approval, card }] = asked as [Asked]
    const minutes = Math.ceil((approval.expiresAt.getTime() - nowMs) / 60_000)
    const several = asked.length > 1 && html` <span class="new">${words.several(asked.length)}</span>`
    const odd = isUnusual(approval) && html`<span class="odd">${words.unusualMark}</span>`
    return html`<li><a href="/approvals/${approval.id}"><span class="what">${headOf(card!.lines)}${several}</span>
<span class="soft">${words.asks(approval.agent)} · ${words.minutesLeft(minutes)}</span>${odd}</a></li>`
  })
  const main = html`<h1>${waiting.length === 0 ? words.tabs.approvals : words.waiting(waiting.length)}</h1>
<p class="warn" role="status" data-say hidden></p>
<div data-inbox data-state="/approvals/state" data-known="${state}" data-words="${JSON.stringify({ changed: words.changed })}">
${waiting.length === 0 ? html`<p class="lead">${words.nothingWaits}</p>` : html`<ul class="waiting">${items}</ul>`}
</div>`
  return { title: words.tabs.approvals, main }
}

/** What somebody was asked before. */
export type History = { over: readonly Approval[]; words: PhoneWords; locale: Locale; person: Person }

/** The newest first, with what became of each. */
export function historyPage({ over, words, locale, person }: History): { title: string; main: Html } {
  const items = over.map((approval) => {
    const { card } = drawn(approval, locale)
    const state = approval.state === "requested" && !approval.isOpen ? "expired" : approval.state
    const said = saidOf(approval, person)
    const done = state === "approved" && (approval.usedAt === null ? words.notUsed : words.used)
    return html`<li><a href="/approvals/${approval.id}"><span class="what">${card === null ? words.forgotten : headOf(card.lines)}</span>
<span class="soft">${wasRefusedTogether(approval) ? words.refusedTogether : words.states[state]}. ${said !== null && words.youSaid[said]} ${done}</span>
<span class="soft">${approval.agent} · ${momentInWords(approval.requestedAt)}</span></a></li>`
  })
  const main = html`<h1>${words.history}</h1>
${items.length === 0 ? html`<p class="lead">${words.noHistory}</p>` : html`<ul class="waiting">${items}</ul>`}`
  return { title: words.tabs.history, main }
}

function headOf([headline]: readonly Line[]): Html {
  return html`<bdi>${lineText(headline!)}</bdi>`
}
