import { type Approval, type Card, type HeldAction, type Line, lineText } from "#approvals"
import { type Html, html } from "../../consent/pages/html.ts"
import type { PhoneWords } from "../words.ts"

/** Where a card stands: alone, or among several, where what is the same as on the first is folded up. */
export type CardPlace = { isAlone: boolean; first: Card; words: PhoneWords }

/** A card as a page shows it. Every marked line is signed as it stands there, in this order. */
export function cardOf({ id, action }: Approval, card: Card, { isAlone, first, words }: CardPlace): Html {
  const known = first === card ? [] : sectionsOf(first.lines).map(textOf)
  const runs: { isSame: boolean; sections: Line[][] }[] = []
  for (const section of sectionsOf(card.lines)) {
    const isSame = known.includes(textOf(section))
    const last = runs.at(-1)
    if (last?.isSame === isSame) last.sections.push(section)
    else runs.push({ isSame, sections: [section] })
  }
  const draw = (sections: readonly Line[][]) => sections.map((section) => sectionOf(section, { id, isAlone }))
  return html`<article class="card" data-card="${id}" data-version="${card.version}" data-locale="${card.locale}" aria-labelledby="headline-${id}">
${runs.map(({ isSame, sections }) =>
  isSame
    ? html`<details><summary>${words.sameAsAbove}</summary><div>${draw(sections)}</div></details>`
    : html`${draw(sections)}`,
)}
${
  action !== null &&
  html`<details class="everything"><summary>${words.everything}</summary><div>
<p class="soft">${words.everythingHelp}</p>
<pre data-action>${asciiJson(action)}</pre>
</div></details>`
}
</article>`
}

/** What stands at the top, who acts, and then each part with its title. */
function sectionsOf(lines: readonly Line[]): Line[][] {
  const sections: Line[][] = [[]]
  for (const line of lines) {
    const isTop = sections.length === 1
    if (line.kind === "part" || (isTop && line.kind === "label")) sections.push([])
    sections.at(-1)!.push(line)
  }
  return sections.reduce<Line[][]>((all, section) => {
    // Who acts, for whom and why are one.
    const isOrigin = section[0]?.kind === "label"
    if (isOrigin && all.at(-1)?.[0]?.kind === "label") all.at(-1)!.push(...section)
    else all.push(section)
    return all
  }, [])
}

function textOf(section: readonly Line[]): string {
  return JSON.stringify(section.map((line) => [line.kind, lineText(line)]))
}

function sectionOf(section: readonly Line[], place: { id: string; isAlone: boolean }): Html {
  const [first] = section
  if (first === undefined) return html``
  if (first.kind === "headline") return html`${section.map((line) => topLine(line, place))}`
  if (first.kind === "label") return rowsOf(section, "who")
  const rest = section.slice(1)
  const title = place.isAlone
    ? html`<h2 class="part" data-line="part">${piecesOf(first)}</h2>`
    : html`<h3 class="part" data-line="part">${piecesOf(first)}</h3>`
  const isSaid = rest[0]?.kind === "said"
  const body = rest[0]?.kind === "label" ? rowsOf(rest, "arguments") : rest.map(plainLine)
  return html`<section class="${isSaid ? "of-agent" : "of"}">${title}${body}</section>`
}

function topLine(line: Line, { id, isAlone }: { id: string; isAlone: boolean }): Html {
  if (line.kind !== "headline") return plainLine(line)
  return isAlone
    ? html`<h1 class="headline" id="headline-${id}" data-line="headline">${piecesOf(line)}</h1>`
    : html`<h2 class="headline" id="headline-${id}" data-line="headline">${piecesOf(line)}</h2>`
}

/** A label and what stands beneath it, again and again. */
function rowsOf(lines: readonly Line[], kind: "who" | "arguments"): Html {
  const groups: Line[][] = []
  for (const line of lines) {
    if (line.kind === "label") groups.push([])
    groups.at(-1)!.push(line)
  }
  const rows = groups.map(
    ([label, ...rest]) =>
      html`<div><dt data-line="label">${piecesOf(label!)}</dt>${rest.map(
        (line) => html`<dd class="${line.kind}" data-line="${line.kind}">${piecesOf(line)}</dd>`,
      )}</div>`,
  )
  return html`<dl class="${kind}">${rows}</dl>`
}

function plainLine(line: Line): Html {
  return html`<p class="${line.kind}" data-line="${line.kind}">${piecesOf(line)}</p>`
}

/** What somebody else wrote keeps its direction to itself. */
function piecesOf({ pieces }: Line): Html[] {
  return pieces.map((piece) => (typeof piece === "string" ? html`${piece}` : html`<bdi>${piece.value}</bdi>`))
}

/** The action as JSON in ASCII: what looks like another letter does not here, and a script reads the very values. */
function asciiJson({ type, resource, operation, arguments: given }: HeldAction): string {
  const text = JSON.stringify({ type, resource, operation, arguments: given }, null, 2)
  return text.replaceAll(/[^\n\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
}
