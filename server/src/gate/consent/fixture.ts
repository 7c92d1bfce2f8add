import { randomBytes } from "node:crypto"
import type { AgentPrincipal } from "#agents"
import { base64url, type Json, sha256 } from "#kernel"
import type { PendingSignIn, SignedIn, SignInRequest } from "#sessions"
import { openTestGate, permit, type TestGate } from "../fixture.ts"
import { operatorSignInRoutes } from "../operators/routes.ts"
import { notificationRoutes } from "../phone/notifications-routes.ts"
import { passkeyRoutes } from "../phone/passkeys-routes.ts"
import { phoneRoutes } from "../phone/routes.ts"
import type { Rooms } from "../rooms.ts"
import { pushRequest } from "./authorize.ts"
import { consentRoutes } from "./routes.ts"

/** Where every test's server is. */
export const issuer = "https://safeconduct.example"
/** Where users come back to. */
export const callback = "https://shop.example/callback"
/** The agent that asks. */
export const client = "spiffe://example.org/agent/bot"

/** What came back. */
export type Answer = { status: number; location: string | null; text: string; headers: Headers }

/** A browser with a jar of its own, and nothing that our pages do not give it. */
export type TestBrowser = {
  cookies: Map<string, string>
  get(path: string, headers?: { [name: string]: string }): Promise<Answer>
  /** As a form of our own page is sent, unless told. */
  post(path: string, form: { [field: string]: string }, headers?: { [name: string]: string }): Promise<Answer>
}

/** A deployment whose users sign in at a provider that says whatever a test wants. */
export type TestConsent = AsyncDisposable & {
  gate: TestGate
  rooms: Rooms
  bot: AgentPrincipal
  document: typeof document
  browser(): TestBrowser
  /** Who signs in next, and how; an Error is what finishing it throws. */
  next: { person: Partial<SignedIn> | Error; asked?: SignInRequest }
  verifier: string
  /** Parameters of a request that is right. */
  parameters(more?: { [name: string]: string | undefined }): { [name: string]: string }
  /** Pushes it as an instance; what to open in a browser. */
  push(more?: { [name: string]: string | undefined }, caller?: AgentPrincipal): Promise<string>
  /** Opens a path, signs in, and is at the consent page; its path and text. */
  toConsent(browser: TestBrowser, path: string): Promise<{ path: string; text: string }>
  /** Says yes to all that the page has ticked, but for what is told otherwise; where it leads back to. */
  allow(
    browser: TestBrowser,
    at: { path: string; text: string },
    more?: { [field: string]: string | undefined },
  ): Promise<URL>
  /** From nothing to a code. */
  code(more?: { [name: string]: string | undefined }, browser?: TestBrowser): Promise<string>
}

const read = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
const most = {
  type: "safeconduct_action",
  actions: ["credential:read", "credential:write", "tool:ask"],
  locations: ["kb"],
}

/** The configuration of these tests: one purpose that needs a user, one that an agent may serve alone. */
export const document = {
  purposes: {
    help: {
      description: "Answer questions about your orders",
      actions: [read, { ...most, actions: ["credential:write", "tool:ask"] }],
      parameters: { order: { description: "Order", isRequired: false } },
      consent: "required",
    },
    answer: { description: "Answer questions", actions: [read] },
    foreign: { description: "Nothing of the bot's", actions: [read] },
  },
  agents: {
    bot: {
      owner: "owner@example.org",
      description: "The shop's helper",
      purposes: ["help", "answer"],
      ceiling: [most],
      redirectUris: [callback, "http://127.0.0.1/cb"],
    },
    other: { owner: "o", purposes: ["help"], ceiling: [most], redirectUris: [callback] },
  },
  policies: [
    { file: "bot.cedar", text: permit },
    { file: "users.cedar", text: `@id("users-read") permit (principal is sessions::User, action, resource);` },
  ],
} satisfies { [part: string]: Json }

/** Opens it. */
export async function openTestConsent(): Promise<TestConsent> {
  const gate = await openTestGate()
  await gate.apply(document)
  const next: TestConsent["next"] = { person: {} }
  const pending = new Map<string, string>()
  const providers = {
    ...gate.rooms.sessions.providers,
    names: () => ["shop"],
    find: (name: string) =>
      gate.rooms.sessions.providers.find(name) ?? ({ issuer: "https://id.shop.example" } as never),
    async beginSignIn(asked: SignInRequest) {
      const { provider, redirectUri } = asked
      next.asked = asked
      const state = base64url(randomBytes(32))
      pending.set(state, provider)
      const kept = { provider, redirectUri, state, issuer: "https://id.shop.example", nonce: "n", verifier: "v" }
      const rest = { acrValues: [], maxAgeSeconds: null, begunAtMs: Date.now() }
      return { url: `https://id.shop.example/authorize?state=${state}`, pending: { ...kept, ...rest } as PendingSignIn }
    },
    async finishSignIn(): Promise<SignedIn> {
      if (next.person instanceof Error) throw next.person
      const alice = { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: { customer: ["1001"] } }
      const rest = {
        roles: [],
        roleValues: [],
        sid: "sid-1",
        authTimeMs: null,
        issuedAtMs: Date.now(),
        acr: null,
        amr: [],
        authorizationDetails: null,
      }
      return { ...alice, ...rest, idTokenDigest: "digest", ...next.person }
    },
    logoutUrl: async () => "https://id.shop.example/logout",
    verifyLogoutToken: async (_: string, token: string) => JSON.parse(token) as never,
  }
  const rooms: Rooms = { ...gate.rooms, sessions: { ...gate.rooms.sessions, providers } }
  const pages = [...passkeyRoutes(rooms), ...notificationRoutes(rooms), ...phoneRoutes(rooms)]
  const routes = [...consentRoutes(rooms), ...operatorSignInRoutes(rooms), ...pages]
  const verifier = base64url(randomBytes(32))

  const ask = async (browser: TestBrowser, method: string, path: string, sent: { form?: object; headers: object }) => {
    const url = new URL(path, issuer)
    const headers = new Headers(sent.headers as Record<string, string>)
    const jar = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    if (jar !== "") headers.set("cookie", jar)
    for (const route of routes) {
      const form = new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`)
      const match = form.exec(url.pathname)
      if (route.method !== method || match === null) continue
      const query = route.query?.parse(Object.fromEntries(url.searchParams)) ?? {}
      const body = (route.body?.parse(sent.form ?? {}) ?? undefined) as never
      const request = { caller: null, params: { ...match.groups }, query, body, headers, listener: "web" as const }
      const given = await route.handle(request)
      const answer = given instanceof Response ? given : Response.json(given)
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
        if (line.includes("Max-Age=0")) browser.cookies.delete(name!)
        else browser.cookies.set(name!, value!)
      }
      const { status, headers: got } = answer
      return { status, location: got.get("location"), text: await answer.text(), headers: got }
    }
    throw new Error(`no route ${method} ${url.pathname}`)
  }

  const own: TestConsent = {
    gate,
    rooms,
    bot: gate.bot,
    document,
    next,
    verifier,
    browser() {
      const browser: TestBrowser = {
        cookies: new Map(),
        get: (path, headers = {}) => ask(browser, "GET", path, { headers }),
        post: (path, form, headers = { origin: issuer, "sec-fetch-site": "same-origin" }) =>
          ask(browser, "POST", path, { form, headers }),
      }
      return browser
    },
    parameters(more = {}) {
      const right = {
        client_id: client,
        response_type: "code",
        redirect_uri: callback,
        state: "xyz",
        code_challenge: base64url(sha256(verifier)),
        code_challenge_method: "S256",
        safeconduct_purpose: "help",
        ...more,
      }
      return Object.fromEntries(Object.entries(right).filter(([, value]) => value !== undefined)) as {
        [name: string]: string
      }
    },
    async push(more = {}, caller = gate.bot) {
      const { client_id, ...rest } = own.parameters(more)
      const { request_uri } = await pushRequest(rooms, caller, rest)
      return `/oauth2/authorize?${new URLSearchParams({ client_id: client_id ?? client, request_uri })}`
    },
    async toConsent(browser, path) {
      const begun = await browser.get(path)
      const state = new URL(begun.location!).searchParams.get("state")
      const back = state === null ? begun : await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
      const { pathname } = new URL(back.location!)
      const { text } = await browser.get(pathname)
      return { path: pathname, text }
    },
    async allow(browser, { path, text }, more = {}) {
      const form = { ...fieldsOf(text), decision: "allow", ...more }
      const sent = Object.fromEntries(Object.entries(form).filter(([, value]) => value !== undefined))
      const { location, text: said } = await browser.post(path, sent as { [field: string]: string })
      if (location === null) throw new Error(`not allowed: ${said}`)
      return new URL(location)
    },
    async code(more = {}, browser = own.browser()) {
      const at = await own.toConsent(browser, await own.push(more))
      return (await own.allow(browser, at)).searchParams.get("code")!
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
  return own
}

/** What a form of the page sends when nothing of it is changed; of several forms, that of the action. */
export function fieldsOf(text: string, action?: string): { [field: string]: string } {
  const forms = text.match(/<form [\s\S]*?<\/form>/g) ?? []
  const form = action === undefined ? forms[0]! : forms.find((each) => each.includes(`action="${action}"`))!
  const inputs = [...form.matchAll(/<input [^>]*>/g)].map(([input]) => input)
  const of = (input: string, name: string) => new RegExp(`${name}="([^"]*)"`).exec(input)?.[1]
  const isSent = (input: string) => of(input, "type") === "hidden" || input.includes(" checked")
  return Object.fromEntries(inputs.filter(isSent).map((input) => [of(input, "name")!, of(input, "value") ?? "on"]))
}
