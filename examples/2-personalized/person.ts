/**
 * Somebody at a browser without a screen: goes where pages lead, keeps cookies, and presses buttons. It is what the demo has in
 * the place of Alice; that a real browser does the same is for the tests, which drive one.
 */
import { type IncomingMessage, request } from "node:http"
import { text } from "node:stream/consumers"

/** A page, as it was answered at the end of all redirects. */
export type Page = { url: string; status: number; html: string }

/** Somebody with a browser of their own. */
export type Person = {
  visit(url: string): Promise<Page>
  /**
   * Presses the button with that text, that name for people who cannot see it, or that `name=value`; `filled` is what was typed or chosen before, by the fields'
   * names. Throws when the page has no such button.
   */
  press(page: Page, button: string, filled?: { [field: string]: string | false }): Promise<Page>
  /** Asks what the script of that page asks: JSON, sent to the page's own site. Throws when the answer is a refusal. */
  ask<Answer>(page: Page, path: string, body: object): Promise<Answer>
  /** What it sends to that site as Cookie. */
  cookies(url: string): string
}

const MAX_REDIRECTS = 20

/** A browser that nobody has used. It does not follow to what `leavesAt` begins: that URL is the page then, unseen. */
export function openPerson(leavesAt?: string): Person {
  /** By host: cookies know no ports (RFC 6265 §8.5). */
  const jar = new Map<string, Map<string, string>>()

  const go = async (address: URL, form?: { body: URLSearchParams; from: string }): Promise<Page> => {
    let url = address
    let body = form?.body
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const cookies = [...(jar.get(url.hostname) ?? [])].map(([name, value]) => `${name}=${value}`)
      const answer = await send(
        url,
        {
          accept: "text/html",
          "sec-fetch-mode": "navigate",
          ...(cookies.length > 0 && { cookie: cookies.join("; ") }),
          ...(body !== undefined && { origin: form!.from, "content-type": "application/x-www-form-urlencoded" }),
          ...(body !== undefined && { "sec-fetch-site": form!.from === url.origin ? "same-origin" : "cross-site" }),
        },
        body?.toString(),
      )
      keepCookies(jar, url.hostname, answer)
      const status = answer.statusCode ?? 0
      const html = await text(answer)
      const { location } = answer.headers
      if (status < 300 || status >= 400 || location === undefined) return { url: url.href, status, html }
      url = new URL(location, url)
      if (leavesAt !== undefined && url.href.startsWith(leavesAt)) return { url: url.href, status, html: "" }
      if (status !== 307 && status !== 308) body = undefined
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects, the last to ${url.origin}${url.pathname}`)
  }

  const cookiesFor = ({ hostname }: URL) =>
    [...(jar.get(hostname) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ")
  return {
    visit: (url) => go(new URL(url)),
    cookies: (url) => cookiesFor(new URL(url)),
    async ask<Answer>(page: Page, path: string, body: object) {
      const url = new URL(path, page.url)
      const { origin } = new URL(page.url)
      const fetched = { "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty" }
      const headers = { cookie: cookiesFor(url), origin, "content-type": "application/json", ...fetched }
      const answer = await send(url, headers, JSON.stringify(body))
      const said = await text(answer)
      if (answer.statusCode !== 200) throw new Error(`${url.pathname} answered ${answer.statusCode}: ${said}`)
      return JSON.parse(said) as Answer
    },
    async press(page, button, filled = {}) {
      const { method, action, fields } = pressed(page, button)
      const chosen = new URLSearchParams(fields.filter(([name]) => filled[name] === undefined))
      for (const [name, value] of Object.entries(filled)) if (value !== false) chosen.append(name, value)
      const url = new URL(action, page.url)
      if (method === "post") return await go(url, { body: chosen, from: new URL(page.url).origin })
      url.search = chosen.toString()
      return await go(url)
    },
  }
}

function send(url: URL, headers: Record<string, string>, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: body === undefined ? "GET" : "POST", headers, agent: false }, resolve)
    sent.on("error", reject)
    sent.end(body)
  })
}

function keepCookies(jar: Map<string, Map<string, string>>, host: string, { headers }: IncomingMessage): void {
  const kept = jar.get(host) ?? new Map<string, string>()
  jar.set(host, kept)
  for (const line of headers["set-cookie"] ?? []) {
    const [pair = "", ...attributes] = line.split(";")
    const at = pair.indexOf("=")
    const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    const isOver = attributes.some((each) => /^\s*max-age=(0|-)/i.test(each) || isPast(each))
    if (isOver) kept.delete(name)
    else kept.set(name, value)
  }
}

function isPast(attribute: string): boolean {
  const at = /^\s*expires=(.+)$/i.exec(attribute)?.[1]
  return at !== undefined && Date.parse(at) <= Date.now()
}

type Attributes = { [name: string]: string }
type Control = { at: number; kind: "input" | "button"; label: string; has: Attributes }

/** What pressing a button sends: the fields of its form as the page filled them in, and the button's own. */
function pressed({ html, url }: Page, button: string) {
  const tags = /<input\b([^>]*)>|<button\b([^>]*)>([\s\S]*?)<\/button>/g
  const controls = [...html.matchAll(tags)].map((match): Control => {
    const [, input, opening, inner] = match
    const has = attributesOf(input ?? opening ?? "")
    // HTML §4.10.5.1.18: a submit button may be an input, whose value is its label.
    const isButton = input === undefined || has["type"] === "submit"
    return {
      at: match.index,
      kind: isButton ? "button" : "input",
      label: plain(inner ?? "") || (has["value"] ?? ""),
      has,
    }
  })
  const found = controls.find(
    ({ kind, label, has }) =>
      kind === "button" && [label, has["aria-label"], `${has["name"]}=${has["value"]}`].includes(button),
  )
  if (found === undefined) throw new Error(`${url} has no button "${button}": ${plain(html).slice(0, 500)}`)
  const forms = [...html.matchAll(/<form\b([^>]*)>[\s\S]*?<\/form>/g)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    attributes: attributesOf(match[1]!),
  }))
  const isIn = (form: (typeof forms)[number], { at, has }: Control) =>
    has["form"] === undefined ? at > form.from && at < form.to : has["form"] === form.attributes["id"]
  const form = forms.find((each) => isIn(each, found))
  if (form === undefined) throw new Error(`the button "${button}" of ${url} is in no form`)
  const sent = controls.filter((control) => isIn(form, control) && isSent(control, control === found))
  return {
    method: (form.attributes["method"] ?? "get").toLowerCase(),
    action: form.attributes["action"] ?? url,
    fields: sent.map(({ has }) => [has["name"]!, has["value"] ?? "on"] as [string, string]),
  }
}

function isSent({ kind, has }: Control, isPressed: boolean): boolean {
  if (!has["name"] || has["disabled"] !== undefined) return false
  if (kind === "button") return isPressed
  return !["checkbox", "radio"].includes(has["type"] ?? "") || has["checked"] !== undefined
}

function attributesOf(text: string): Attributes {
  const found = text.matchAll(/([\w-]+)(?:\s*=\s*"([^"]*)")?/g)
  return Object.fromEntries([...found].map(([, name, value]) => [name!.toLowerCase(), unescaped(value ?? "")]))
}

/** What a page says, without its marks. */
export function plain(html: string): string {
  const bare = html.replaceAll(/<(style|script|title)\b[\s\S]*?<\/\1>/g, "").replaceAll(/<[^>]*>/g, " ")
  return unescaped(bare).replaceAll(/\s+/g, " ").trim()
}

function unescaped(text: string): string {
  const named: { [name: string]: string } = { lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", amp: "&" }
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name: string | undefined) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return named[name!] ?? whole
  })
}
