/**
 * The shop's web site, as small as one can be: customers sign in at the shop's OpenID provider, change an order by hand, and
 * talk to the support bot. Towards Safeconduct it does one thing: it signs what the customer asked for, with a key that no
 * agent has. It relays the customer's browser, and never sees a key to anything.
 */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { text } from "node:stream/consumers"
import type { Authorization } from "@safeconduct/sdk"
import pg from "pg"
import type { Request, SupportBot } from "./bot.ts"
import { beginSignIn, type Customer, finishSignIn, type ShopProvider, type SignIn } from "./sign-in.ts"

/** What the web site is started with. */
export type WebSite = {
  /** Its own port, where browsers are sent back to. */
  port: number
  provider: ShopProvider
  /** The shop's database, as shop_web. */
  database: string
  bot: SupportBot
  /** Signs what a customer, by their subject at the provider, asked for about one order. */
  state(question: string, order: string, customer: string): string
}

type Visit = { customer?: Customer; signIn?: SignIn; asked?: { request: Request; consent: Authorization } }
type Answer = { location: string } | { main: string; status?: number }

/** Starts it, on loopback. */
export async function openWebSite(site: WebSite): Promise<AsyncDisposable> {
  const shop = new pg.Pool({ connectionString: site.database, max: 2 })
  shop.on("error", () => undefined)
  const visits = new Map<string, Visit>()
  const server = createServer(async (request, response) => {
    const visit = visitOf(visits, request, response)
    const said = await answer(site, shop, visit, request).catch((error: Error) => ({
      main: error.message,
      status: 500,
    }))
    if ("location" in said) return void response.writeHead(303, { location: said.location }).end()
    response.writeHead(said.status ?? 200, { "content-type": "text/html; charset=utf-8" }).end(page(said.main))
  })
  server.listen(site.port, "127.0.0.1")
  await once(server, "listening")
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close")
      server.close()
      server.closeAllConnections()
      await Promise.all([closed, shop.end()])
    },
  }
}

async function answer(site: WebSite, shop: pg.Pool, visit: Visit, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? "/", `http://127.0.0.1:${site.port}`)
  const { customer, signIn, asked } = visit
  switch (`${request.method} ${url.pathname}`) {
    case "GET /sign-in":
      visit.signIn = await beginSignIn(site.provider)
      return { location: visit.signIn.url }
    case "GET /signed-in":
      delete visit.signIn
      if (signIn !== undefined) visit.customer = await finishSignIn(site.provider, signIn, url.searchParams)
      return { location: "/" }
  }
  if (customer === undefined) return { main: `<a href="/sign-in">Sign in</a>` }
  switch (`${request.method} ${url.pathname}`) {
    case "GET /bot/callback": {
      delete visit.asked
      if (asked === undefined) return { location: "/" }
      return { main: `<p>${escaped(await site.bot.resume(asked.request, asked.consent, url.href))}</p>` }
    }
    case "POST /ask": {
      const { order, words } = await formOf(request)
      return await ask(site, visit, customer, words, order)
    }
    case "POST /note": {
      const { order, words } = await formOf(request)
      await editByHand(shop, customer, order, words)
      return { location: "/" }
    }
  }
  return { main: await ordersOf(shop, customer) }
}

/** Hands a question to the bot. Where the customer never agreed to that, sends them to where they can. */
async function ask(
  site: WebSite,
  visit: Visit,
  { idToken, sub }: Customer,
  question: string,
  order: string,
): Promise<Answer> {
  // A statement is used once: the second try, if it comes to that, has its own.
  const stated = (): Request => ({ question, order, statement: site.state(question, order, sub) })
  const said = await site.bot.answer(stated(), idToken)
  if (said !== null) return { main: `<p>${escaped(said)}</p>` }
  const request = stated()
  const consent = await site.bot.askConsent(request)
  visit.asked = { request, consent }
  return { location: consent.url }
}

/** The site knows whose order it is; the database believes this account, and notes for whom it works. */
async function editByHand(shop: pg.Pool, { id, sub }: Customer, order: string, note: string): Promise<void> {
  const client = await shop.connect()
  try {
    await client.query("begin")
    await client.query("select set_config('shop.person', $1, true)", [sub])
    await client.query("update orders set delivery_note = $1 where id = $2 and customer = $3", [note, order, id])
    await client.query("commit")
  } finally {
    client.release()
  }
}

async function ordersOf(shop: pg.Pool, { id, name }: Customer): Promise<string> {
  const { rows } = await shop.query<{ id: number; item: string; delivery_note: string }>(
    "select id, item, delivery_note from orders where customer = $1 order by id",
    [id],
  )
  const form = (path: string, order: number, button: string) =>
    `<form method="post" action="${path}"><input type="hidden" name="order" value="${order}"><input name="words" aria-label="${button} ${order}"><button>${button} ${order}</button></form>`
  const orders = rows.map(
    ({ id: order, item, delivery_note: note }) =>
      `<li>${order} ${escaped(item)}: ${escaped(note)} ${form("/note", order, "Change the note of")} ${form("/ask", order, "Ask about")}</li>`,
  )
  return `<p>Hello ${escaped(name)}</p><ul>${orders.join("")}</ul>`
}

async function formOf(request: IncomingMessage): Promise<{ order: string; words: string }> {
  const form = new URLSearchParams(await text(request))
  return { order: form.get("order") ?? "", words: form.get("words") ?? "" }
}

/** Whoever has the cookie is the visitor. Lax: no other site's form is sent with it. */
function visitOf(visits: Map<string, Visit>, request: IncomingMessage, response: ServerResponse): Visit {
  const known = visits.get(/(?:^|; )shop=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "")
  if (known !== undefined) return known
  const [id, made]: [string, Visit] = [randomBytes(24).toString("base64url"), {}]
  visits.set(id, made)
  response.setHeader("set-cookie", `shop=${id}; Path=/; HttpOnly; SameSite=Lax`)
  return made
}

function page(main: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>The shop</title><main>${main}</main></html>`
}

function escaped(words: string): string {
  return words.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
