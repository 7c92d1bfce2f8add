/** Markup of ours; everything else that comes into a page is text. */
export type Html = { readonly html: string }

/** What may stand in a template: text is escaped, markup is not, null and false are nothing. */
export type Part = Html | string | number | null | false | readonly Html[]

/** Markup with its parts escaped, for elements and for quoted attributes (WHATWG HTML §13.2.5). */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.reduce((all, each, at) => `${all}${written(parts[at - 1] ?? null)}${each}`) }
}

function written(part: Part): string {
  if (part === null || part === false) return ""
  if (typeof part === "string" || typeof part === "number") return escaped(String(part))
  return "html" in part ? part.html : part.map((each) => each.html).join("")
}

const ENTITIES: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!)
}
