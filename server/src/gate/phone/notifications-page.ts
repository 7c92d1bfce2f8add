import { workerPath } from "@safeconduct/console"
import { type KnownContact, type Locale, locales, type QuietHours } from "#approvals"
import { type Html, html } from "../consent/pages/html.ts"
import type { NotificationWords } from "./notifications-words.ts"

/** Somebody who stands in, in either direction, as the page says it. */
export type ShownStandIn = { id: string; isMine: boolean; name: string; groups: readonly string[]; endsAt: Date }

/** What the page shows. `tokenOf` makes the token of a form by its path. */
export type Notifications = {
  contacts: readonly KnownContact[]
  /** Channels that the deployment has. */
  channels: readonly ("push" | "email" | "sms")[]
  /** What browsers subscribe with; null without the channel. */
  pushKey: string | null
  /** Address that the person's provider says is theirs, where it is not used yet. */
  adoptable: string | null
  locale: Locale
  quietHours: QuietHours | null
  /** Groups that the person may let somebody stand in for. */
  groups: readonly string[]
  standIns: readonly ShownStandIn[]
  /** They signed in just now, which it takes to let somebody stand in. */
  isFresh: boolean
  /** A sentence on what just failed. */
  problem: string | null
}

type Drawing = { words: NotificationWords; tokenOf: (path: string) => string }

/** Where the page is. */
export const notificationsPath = "/me/notifications"

/** How somebody is told, when not, and who stands in for them. */
export function notificationsMain(shown: Notifications, drawing: Drawing): Html {
  const { words } = drawing
  const { channels, problem } = shown
  return html`<h1>${words.title}</h1>
<p class="lead">${words.lead}</p>
<p class="warn" role="alert" data-say${problem === null && html` hidden`}>${problem ?? ""}</p>
${channels.length === 0 && html`<p>${words.noChannel}</p>`}
${channels.includes("push") && pushPart(shown, drawing)}
${channels.includes("email") && emailPart(shown, drawing)}
${channels.includes("sms") && smsPart(shown, drawing)}
${wishesPart(shown, drawing)}
${(shown.groups.length > 0 || shown.standIns.length > 0) && standInsPart(shown, drawing)}`
}

function pushPart({ contacts, pushKey }: Notifications, drawing: Drawing): Html {
  const { words, tokenOf } = drawing
  const own = contacts.filter(({ contact }) => contact.kind === "push")
  const path = `${notificationsPath}/push`
  return html`<h2>${words.push.title}</h2>
${own.length === 0 ? html`<p>${words.push.none}</p>` : html`<ul class="list">${own.map((each, nth) => item(each, words.push.browser(nth + 1), drawing))}</ul>`}
<form method="post" action="${path}" data-notify data-key="${pushKey ?? ""}" data-worker="${workerPath}" data-words="${JSON.stringify(words.script)}">
<input type="hidden" name="form" value="${tokenOf(path)}"><input type="hidden" name="subscription" value="">
<p><button class="button" disabled>${words.push.on}</button></p></form>
<noscript><p class="warn">${words.script.noPush}</p></noscript>`
}

function emailPart({ contacts, adoptable }: Notifications, drawing: Drawing): Html {
  const { words, tokenOf } = drawing
  const path = `${notificationsPath}/provider-address`
  return html`<h2>${words.email.title}</h2>
${listOf(contacts, "email", drawing)}
${
  adoptable !== null &&
  html`<form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}">
<p><button class="button">${words.email.adopt(adoptable)}</button></p></form>`
}
${adding("email", drawing)}`
}

function smsPart({ contacts }: Notifications, drawing: Drawing): Html {
  return html`<h2>${drawing.words.sms.title}</h2>
<p class="soft">${drawing.words.sms.why}</p>
${listOf(contacts, "sms", drawing)}
${adding("sms", drawing)}`
}

function listOf(contacts: readonly KnownContact[], kind: "email" | "sms", drawing: Drawing): Html {
  const own = contacts.filter(({ contact }) => contact.kind === kind)
  if (own.length === 0) return html`<p>${drawing.words[kind].none}</p>`
  return html`<ul class="list">${own.map((each) => item(each, inShort(each), drawing))}</ul>`
}

function adding(kind: "email" | "sms", { words, tokenOf }: Drawing): Html {
  const path = `${notificationsPath}/contacts`
  const type = kind === "email" ? "email" : "tel"
  return html`<form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}">
<input type="hidden" name="kind" value="${kind}">
<p class="field"><label for="new-${kind}">${words[kind].label}</label> <input id="new-${kind}" name="value" type="${type}" autocomplete="${type}" maxlength="254" required></p>
<p><button class="button">${words[kind].add}</button></p></form>`
}

function item({ id, isVerified }: KnownContact, label: string, { words, tokenOf }: Drawing): Html {
  const [removal, code] = [`${notificationsPath}/contacts/${id}/removal`, `${notificationsPath}/contacts/${id}/code`]
  return html`<li><div class="row"><h3><bdi>${label}</bdi></h3><form method="post" action="${removal}"><input type="hidden" name="form" value="${tokenOf(removal)}">
<button class="button small" aria-label="${words.removeNamed(label)}">${words.remove}</button></form></div>
${
  !isVerified &&
  html`<p class="soft">${words.unverified}</p>
<form method="post" action="${code}"><input type="hidden" name="form" value="${tokenOf(code)}">
<p class="field"><label for="code-${id}">${words.code}</label> <input id="code-${id}" name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6" required></p>
<p><button class="button small">${words.confirm}</button></p></form>`
}</li>`
}

function wishesPart({ locale, quietHours }: Notifications, { words, tokenOf }: Drawing): Html {
  const { wishes } = words
  const time = (name: "from" | "to") =>
    html`<p class="field"><label for="${name}">${wishes[name]}</label> <input id="${name}" name="${name}" type="time" value="${quietHours?.[name] ?? ""}"></p>`
  const names = { en: "English", de: "Deutsch" } as const
  return html`<h2>${wishes.title}</h2>
<p class="soft">${wishes.lead}</p>
<form method="post" action="${notificationsPath}"><input type="hidden" name="form" value="${tokenOf(notificationsPath)}">
<p class="field"><label for="language">${wishes.language}</label> <select id="language" name="language">${locales.map(
    (each) => html`<option value="${each}" lang="${each}"${each === locale && html` selected`}>${names[each]}</option>`,
  )}</select></p>
${time("from")}
${time("to")}
<p class="field"><label for="timeZone">${wishes.timeZone}</label> <input id="timeZone" name="timeZone" maxlength="60" autocomplete="off" value="${quietHours?.timeZone ?? ""}"></p>
<p><button class="button">${wishes.save}</button></p></form>`
}

function standInsPart({ groups, standIns, isFresh, locale }: Notifications, { words, tokenOf }: Drawing): Html {
  const own = words.standIns
  const path = `${notificationsPath}/stand-ins`
  const sentence = ({ isMine, name, groups: of, endsAt }: ShownStandIn) =>
    (isMine ? own.standsIn : own.youStandIn)(name, of.join(", "), momentIn(locale, endsAt))
  return html`<h2>${own.title}</h2>
<p class="soft">${own.lead}</p>
${
  standIns.length > 0 &&
  html`<ul class="list">${standIns.map((each) => {
    const ending = `${path}/${each.id}/revocation`
    return html`<li><p><bdi>${sentence(each)}</bdi></p><form method="post" action="${ending}"><input type="hidden" name="form" value="${tokenOf(ending)}">
<button class="button small">${own.end}</button></form></li>`
  })}</ul>`
}
${groups.length > 0 && !isFresh && html`<p><a class="button" href="${notificationsPath}?anew=yes">${own.anew}</a></p>`}
${
  groups.length > 0 &&
  isFresh &&
  html`<form method="post" action="${path}"><input type="hidden" name="form" value="${tokenOf(path)}">
<p class="field"><label for="subject">${own.who}</label> <input id="subject" name="subject" maxlength="255" autocomplete="off" required></p>
${groups.map((group) => html`<p><label><input type="checkbox" name="group-${group}" value="yes" checked> ${group}</label></p>`)}
<p class="field"><label for="days">${own.days}</label> <input id="days" name="days" type="number" min="1" max="90" value="7" required></p>
<p><button class="button">${own.appoint}</button></p></form>`
}`
}

/** Enough for whose it is to know it, and not for who looks over their shoulder. */
function inShort({ contact }: KnownContact): string {
  if (contact.kind === "email") {
    const at = contact.address.lastIndexOf("@")
    return `${contact.address.slice(0, 1)}…${contact.address.slice(at)}`
  }
  return contact.kind === "sms" ? `${contact.number.slice(0, 3)}…${contact.number.slice(-2)}` : ""
}

/** In UTC: a page does not know where its reader is. */
function momentIn(locale: Locale, at: Date): string {
  const format = new Intl.DateTimeFormat(locale === "en" ? "en-GB" : locale, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: "UTC",
  })
  return `${format.format(at)} UTC`
}
