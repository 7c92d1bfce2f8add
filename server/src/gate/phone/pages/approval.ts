import { type Card, checkCode, type GrantBounds, type Locale, wasRefusedTogether } from "#approvals"
import type { SignedInBrowser } from "#sessions"
import { type Html, html } from "../../consent/pages/html.ts"
import { momentInWords } from "../../consent/pages/time.ts"
import { type Asked, saidOf } from "../found.ts"
import type { PhoneWords } from "../words.ts"
import { cardOf } from "./card.ts"
import { leavePart } from "./leave.ts"

/**
 * How somebody may approve: with a tap, by their passkey, by one that they have yet to add, by signing in anew at their provider, or
 * not from here, because their provider asks them.
 */
export type Offer = "tap" | "sign" | "enrol" | "step-up" | "there"

/** What the page on which somebody decides is made of. */
export type Deciding = {
  asked: readonly Asked[]
  offer: Offer
  words: PhoneWords
  /** Where else to go. */
  links: Html
  locale: Locale
  issuer: URL
  /** What can be left to the agent with this approval; null for nothing. */
  leave: GrantBounds | null
  /** True where more time is to be had. */
  hasMoreTime: boolean
  /** Requests whose tick they took away before they took more time. */
  without: ReadonlySet<string>
  nowMs: number
  tokenOf: (path: string) => string
}

/** The page on which somebody decides. Seeing it decides nothing. */
export function decidingPage({
  asked,
  offer,
  words,
  links,
  locale,
  issuer,
  leave,
  hasMoreTime,
  without,
  nowMs,
  tokenOf,
}: Deciding): {
  title: string
  main: Html
} {
  const [{ approval, card: first }] = asked as [Asked & { card: Card }]
  const path = `/approvals/${approval.id}`
  const isAlone = asked.length === 1
  const title = isAlone ? words.asks(approval.agent) : words.several(asked.length)
  const leftSeconds = Math.max(
    0,
    Math.round((Math.min(...asked.map((each) => each.approval.expiresAt.getTime())) - nowMs) / 1000),
  )
  const cards = asked.map(({ approval: each, card }) => {
    const drawn = cardOf(each, card!, { isAlone, first, words })
    if (isAlone) return drawn
    return html`<label class="pick item"><input type="checkbox" name="item-${each.id}" aria-labelledby="this-${each.id} headline-${each.id}"${!without.has(each.id) && html` checked`}><span id="this-${each.id}">${words.thisOne}</span></label>${drawn}`
  })
  const main = html`<form method="post" action="${path}/decision" autocomplete="off" data-decide data-locale="${locale}" data-challenge="${path}/challenge" data-token="${tokenOf(`${path}/challenge`)}" data-state="${path}/state" data-known="requested" data-words="${JSON.stringify(words.script)}">
<input type="hidden" name="form" value="${tokenOf(`${path}/decision`)}">
<input type="hidden" name="locale" value="${locale}">
<input type="hidden" name="response" value="">
<input type="hidden" name="bounds" value="">
<input type="hidden" name="decision" value="approve" id="signed" disabled>
${!isAlone && html`<input type="hidden" name="several" value="on"><h1>${title}</h1><p class="soft">${words.choose}</p>`}
${cards}
${leave !== null && leavePart(leave, locale)}
<div class="foot" data-end tabindex="-1">
<span>${words.code} <b>${asked.map((each) => checkCode(each.approval.action!.digest)).join(" ")}</b></span>
<span>${words.timeLeft} <b role="timer" data-left="${leftSeconds}">${minutesOf(leftSeconds)}</b></span>
${hasMoreTime && html`<button class="button" name="decision" value="more-time">${words.moreTime}</button>`}
<span>${words.asked} ${words.agoOf((nowMs - approval.requestedAt.getTime()) / 1000)}</span>
<span>${words.site} ${issuer.host}</span>
</div>
${links}
${barOf({ offer, words, isAlone, hasMoreTime })}
</form>`
  return { title, main }
}

type Bar = Pick<Deciding, "offer" | "words" | "hasMoreTime"> & { isAlone: boolean }

function barOf({ offer, words, isAlone, hasMoreTime }: Bar): Html {
  const yes = isAlone ? words.approve : words.approveChosen
  return html`<div class="bar" data-bar>
<p class="warn" role="alert" data-say hidden></p>
${hasMoreTime && html`<button class="button wide" name="decision" value="more-time" data-more hidden>${words.moreTime}</button>`}
${offer === "sign" && html`<noscript><p class="why">${words.noScript}</p></noscript>`}
${offer === "sign" && html`<p class="why soft" id="unseen" data-unseen hidden>${words.unseen}</p>`}
${offer === "enrol" && html`<p class="why">${words.noPasskey}</p>`}
${offer === "step-up" && html`<p class="why">${words.stepUpHelp}</p>`}
${offer === "there" && html`<p class="why">${words.askedThere}</p>`}
<button class="button" name="decision" value="deny">${isAlone ? words.deny : words.denyChosen}</button>
${offer === "tap" && html`<button class="button yes" name="decision" value="approve">${yes}</button>`}
${offer === "sign" && html`<button class="button yes" name="decision" value="approve" data-sign aria-describedby="unseen" disabled>${yes}</button>`}
${offer === "step-up" && html`<button class="button yes" name="decision" value="step-up">${words.stepUp}</button>`}
${offer === "enrol" && html`<a class="button" href="/me/passkeys">${words.addPasskey}</a>`}
<button class="button plain wide" name="decision" value="report">${words.report}</button>
</div>`
}

/** What the page of a decided request is made of. */
export type Decided = Pick<Deciding, "words" | "links" | "locale" | "tokenOf"> & {
  known: SignedInBrowser
  waiting: number
}

/** The page of a request that nobody, or not this person, decides any more. */
export function decidedPage(
  asked: Asked,
  { known, words, links, waiting, locale, tokenOf }: Decided,
): { title: string; main: Html } {
  const { approval, card } = asked
  const said = saidOf(approval, known.user)
  const isOver = approval.state !== "requested" || !approval.isOpen
  const state = isOver && approval.state === "requested" ? "expired" : approval.state
  const isRefused = wasRefusedTogether(approval)
  const path = `/approvals/${approval.id}/decision`
  const stateInWords = isRefused ? words.refusedTogether : words.states[state]
  const title = isOver ? stateInWords : words.youSaid[said ?? "approve"]
  const main = html`<h1>${title}</h1>
<div class="state" role="status">
${said !== null && isOver && html`<p>${words.youSaid[said]}</p>`}
${!isOver && html`<p>${words.waitsForOthers}</p>`}
${isRefused && html`<p>${words.refusedTogetherHelp}</p>`}
${state === "approved" && html`<p>${approval.usedAt === null ? words.notUsed : words.used}</p>`}
<p class="soft">${words.at(momentInWords(approval.decidedAt ?? approval.expiresAt))}</p>
</div>
${
  isRefused &&
  html`<form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}"><input type="hidden" name="locale" value="${locale}">
<button class="button plain wide" name="decision" value="report">${words.report}</button></form>`
}
${waiting > 0 && html`<p class="links"><a class="button" href="/approvals">${words.waiting(waiting)}</a></p>`}
${card === null ? html`<p class="soft">${words.forgotten}</p>` : cardOf(approval, card, { isAlone: false, first: card, words })}
${links}`
  return { title, main }
}

function minutesOf(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}
