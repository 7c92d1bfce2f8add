import type { GrantBounds, Locale } from "#approvals"
import { canonical, type Json } from "#kernel"
import { inSight } from "#sessions"
import { type Html, html } from "../../consent/pages/html.ts"

/** Sentences about leave for more of the same, in one language. */
type LeaveWords = {
  title: string
  help: string
  uses: string
  each: (name: string) => string
  total: (name: string) => string
  only: (name: string) => string
  any: (name: string) => string
  or: string
  until: string
}

const words: { readonly [Language in Locale]: LeaveWords } = {
  en: {
    title: "Allow more like this",
    help: "While this is open, approving also allows the following, without asking you again. You are told of what moves money, people or rights, and can take it back.",
    uses: "How many more",
    each: (name) => `Each, ${name} at most`,
    total: (name) => `All together, ${name} at most`,
    only: (name) => `${name}, only`,
    any: (name) => `${name}: anything`,
    or: " or ",
    until: "In this session, at the latest until",
  },
  de: {
    title: "Mehr davon erlauben",
    help: "Solange dies offen ist, erlaubt die Zustimmung auch das Folgende, ohne Sie noch einmal zu fragen. Was Geld, Menschen oder Rechte bewegt, erfahren Sie, und Sie können es zurücknehmen.",
    uses: "Wie oft noch",
    each: (name) => `Jedes Mal, ${name} höchstens`,
    total: (name) => `Alles zusammen, ${name} höchstens`,
    only: (name) => `${name}, nur`,
    any: (name) => `${name}: beliebig`,
    or: " oder ",
    until: "In dieser Sitzung, spätestens bis",
  },
}

/**
 * What a person can leave to the agent with this approval: the smallest that is of use, closed until they open it, and nothing is
 * left while it is closed. What stands in the fields is signed with the rest.
 */
export function leavePart(bounds: GrantBounds, locale: Locale): Html {
  const said = words[locale]
  const field = (path: string, label: string, value: number, step: "1" | "any") =>
    html`<p><label>${label} <input type="number" data-bound="${path}" value="${String(value)}" min="${step === "1" ? "1" : "0"}" step="${step}" required></label></p>`
  const { uses, each, total, fixed, free, until } = bounds
  return html`<details data-bounds="${canonical(bounds as unknown as Json)}">
<summary>${said.title}</summary>
<div>
<p class="soft">${said.help}</p>
${field("uses", said.uses, uses, "1")}
${Object.entries(each).map(([name, most]) => field(`each ${name}`, said.each(name), most, "any"))}
${Object.entries(total).map(([name, most]) => field(`total ${name}`, said.total(name), most, "any"))}
${Object.entries(fixed).map(([name, values]) => html`<p>${said.only(name)} <b dir="auto">${values.map(plain).join(said.or)}</b></p>`)}
${free.map((name) => html`<p>${said.any(name)}</p>`)}
<p>${said.until} <b>${until.slice(0, 16).replace("T", " ")} UTC</b></p>
</div>
</details>`
}

function plain(value: Json): string {
  return inSight(typeof value === "string" ? value : canonical(value))
}
