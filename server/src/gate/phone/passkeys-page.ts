import type { Locale, Passkey } from "#approvals"
import { type Html, html } from "../consent/pages/html.ts"
import type { ComesIn } from "./passkeys.ts"
import type { PasskeyWords } from "./passkeys-words.ts"

/** What each of these pages is drawn with. `tokenOf` makes the token of a form by its path. */
type Drawing = { words: PasskeyWords; tokenOf: (path: string) => string }

/** The passkeys that somebody has. */
export function listMain(own: readonly Passkey[], { words, tokenOf, locale }: Drawing & { locale: Locale }): Html {
  return html`<h1>${words.title}</h1>
<p class="lead">${words.lead}</p>
${
  own.length === 0
    ? html`<p>${words.none}</p>`
    : html`<h2>${words.those}</h2>
<ul class="list">${own.map((each) => item(each, { words, tokenOf, locale }))}</ul>`
}
<div class="end">
<a class="button${own.length === 0 && html` yes`}" href="/me/new-passkey">${words.add}</a>
<a class="button" href="/me/lost-device">${words.lost}</a>
</div>`
}

function item(passkey: Passkey, { words, tokenOf, locale }: Drawing & { locale: Locale }): Html {
  const { id, label, enrolledAt, lastUsedAt, isBackedUp, isCounting, countsFrom } = passkey
  const [naming, revoking] = [`/me/passkeys/${id}/name`, `/me/passkeys/${id}/revocation`]
  const field = `name-${id}`
  return html`<li><div class="row"><h3>${label}</h3><form method="post" action="${revoking}"><input type="hidden" name="form" value="${tokenOf(revoking)}">
<button class="button small" aria-label="${words.revokeNamed(label)}">${words.revoke}</button></form></div>
<p class="soft">${words.added(dayIn(locale, enrolledAt))} ${lastUsedAt === null ? words.neverUsed : words.used(dayIn(locale, lastUsedAt))} ${isBackedUp ? words.copied : words.notCopied}</p>
${!isCounting && html`<p class="warn">${words.waits(countsFrom === null ? null : momentIn(locale, countsFrom))}</p>`}
<details><summary>${words.rename}</summary>
<form method="post" action="${naming}"><input type="hidden" name="form" value="${tokenOf(naming)}">
<p class="field"><label for="${field}">${words.renameLabel}</label> <input id="${field}" name="label" maxlength="60" required value="${label}"></p>
<p><button class="button small">${words.save}</button></p></form></details>
</li>`
}

/** How a passkey is made; the script asks the device. */
export function newMain(
  { comes, afterLoss }: { comes: ComesIn; afterLoss: number | "operator" },
  { words, tokenOf }: Drawing,
): Html {
  const [options, vouching] = ["/me/passkeys/options", "/me/passkeys/vouching"]
  const asks = comes === "vouched" && html` data-vouching="${vouching}" data-vouching-token="${tokenOf(vouching)}"`
  return html`<h1>${words.newTitle}</h1>
<p class="lead">${words.newLead}</p>
${comes === "vouched" && html`<p>${words.newVouching}</p>`}
${comes === "recovery" && html`<p class="warn">${words.newWaits(afterLoss)}</p>`}
<p class="warn" role="alert" data-say hidden></p>
<noscript><p class="warn">${words.script.noPasskeys}</p></noscript>
<form method="post" action="/me/passkeys" data-enrol data-options="${options}" data-token="${tokenOf(options)}"${asks} data-words="${JSON.stringify(words.script)}">
<input type="hidden" name="form" value="${tokenOf("/me/passkeys")}">
<input type="hidden" name="answer" value="">
<input type="hidden" name="vouching" value="">
<p class="field"><label for="label">${words.label}</label> <input id="label" name="label" maxlength="60" required value="${words.suggestion}" autocomplete="off"></p>
<p class="end"><button class="button yes" disabled>${words.make}</button></p>
</form>
<p class="links"><a href="/me/passkeys">${words.back}</a></p>`
}

/** What losing a device does, or has done. */
export function lostMain({ isDone }: { isDone: boolean }, { words, tokenOf }: Drawing): Html {
  const path = "/me/lost-device"
  const what = html`<ul class="phrases">${words.lostWhat.map((each) => html`<li>${each}</li>`)}</ul>`
  if (isDone) {
    return html`<h1>${words.lostDone}</h1>
<p class="lead">${words.lostNext}</p>
<p class="end"><a class="button" href="/me/passkeys">${words.add}</a></p>`
  }
  return html`<h1>${words.lostTitle}</h1>
<p class="lead">${words.lostLead}</p>
${what}
<div class="end"><form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}">
<button class="button yes">${words.lostDo}</button></form>
<a class="button" href="/me/passkeys">${words.back}</a></div>`
}

function dayIn(locale: Locale, at: Date): string {
  return new Intl.DateTimeFormat(formatOf(locale), { dateStyle: "long", timeZone: "UTC" }).format(at)
}

/** In UTC: a page does not know where its reader is. */
function momentIn(locale: Locale, at: Date): string {
  const format = new Intl.DateTimeFormat(formatOf(locale), { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })
  return `${format.format(at)} UTC`
}

function formatOf(locale: Locale): string {
  return locale === "en" ? "en-GB" : locale
}
