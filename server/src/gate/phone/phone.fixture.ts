import assert from "node:assert/strict"
import type { Approval, locales } from "#approvals"
import type { Id, Json } from "#kernel"
import type { Delegation, User } from "#sessions"
import { softwarePasskey } from "#testing"
import { act } from "../act.ts"
import { approving } from "../approve/approve.fixture.ts"
import { fieldsOf, issuer, openTestConsent, type TestBrowser, type TestConsent } from "../consent/fixture.ts"
import { openSession } from "../open.ts"

/** Somebody at their phone. */
export type TestPerson = { user: User; browser: TestBrowser; passkey: ReturnType<typeof softwarePasskey> | null }

/** An HR agent whose raises are signed, whose looks are tapped, and people who are asked. */
export interface TestPhone extends AsyncDisposable {
  at: TestConsent
  /** Signs somebody in with a browser of their own, with a passkey unless told. */
  person(more?: { hasPasskey?: boolean; sub?: string }): Promise<TestPerson>
  /** The agent asks; null for the arguments that are left as they are. */
  ask(user: User, operation?: "raise" | "look", given?: { [name: string]: Json }): Promise<Approval>
  /** Asks again with the approval, as the agent does once it was given: the verdict. */
  use(approval: Approval): Promise<string>
  stateOf(approval: Approval): Promise<string>
  /** Applies the configuration with parts of it replaced. */
  configure(more: object): Promise<void>
}

/** Where people sign in. */
export const shop = { provider: "shop", iss: "https://id.shop.example" }
const policies = `
  @id("all") permit (principal, action, resource);
  @id("raises-are-signed") @ask("user") @reason("A salary changes.")
  forbid (principal, action, resource) when { context.operation == "raise" } unless { context.approved };
  @id("looks-are-tapped") @ask("user") @rung("tap")
  forbid (principal, action, resource) when { context.operation == "look" } unless { context.approved };`

/** Opens it. */
export async function openTestPhone(): Promise<TestPhone> {
  await using stack = new AsyncDisposableStack()
  const at = stack.use(await openTestConsent())
  const { gate, rooms } = at
  const configure = (more: object) =>
    gate.apply({ ...approving, policies: [{ file: "hr.cedar", text: policies }], ...more } as never)
  await configure({})
  let count = 0
  const sent = new Map<string, Parameters<typeof act>[2]>()
  const owned = stack.move()
  const own: TestPhone = {
    at,
    async person({ hasPasskey = true, sub = `person-${++count}` } = {}) {
      const browser = at.browser()
      at.next.person = { ...shop, sub, sid: `sid-${sub}`, authTimeMs: Date.now() - 5_000 }
      const { location } = await browser.get("/approvals")
      const state = new URL(location!).searchParams.get("state")
      await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
      const known = await rooms.sessions.findUser({ iss: shop.iss, sub })
      assert.ok(known)
      const user: User = { ...known, claims: {} }
      return { user, browser, passkey: hasPasskey ? await addPasskey(browser) : null }
    },
    async ask(user, operation = "raise", given = { employee: "E-7", amount: 5200 }) {
      const by = { kind: "provider", claim: "may_act", tokenDigest: "t" } as const
      const details = approving.purposes.answer.actions
      const granted = { application: null, details, requestText: null, parameters: {}, providerSession: null }
      const delegation = { user, by, ...granted } as unknown as Delegation
      const { session } = await openSession(rooms, gate.bot, { purpose: "answer", delegation })
      const action = { type: "tool", resource: "hr", operation, arguments: given } as const
      const request = { session: session.id, action, idempotencyKey: null }
      const { held } = await act(rooms, gate.bot, { ...request, justification: "Please approve." })
      sent.set(held!.id, request)
      return held!
    },
    async use({ id }) {
      return (await act(rooms, gate.bot, { ...sent.get(id)!, approval: id })).decision.verdict
    },
    async stateOf({ id }) {
      return (await rooms.approvals.find(id))!.state
    },
    configure,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  return own
}

async function addPasskey(browser: TestBrowser) {
  const passkey = softwarePasskey()
  const { text } = await browser.get("/me/new-passkey")
  const { options } = JSON.parse((await browser.post(dataOf(text, "options"), { form: dataOf(text, "token") })).text)
  const answer = JSON.stringify(passkey.create(options, issuer))
  const { status } = await browser.post("/me/passkeys", { ...fieldsOf(text, "/me/passkeys"), label: "Phone", answer })
  assert.equal(status, 303)
  return passkey
}

/** What a page tells its script. */
export function dataOf(text: string, name: string): string {
  return new RegExp(`data-${name}="([^"]*)"`).exec(text)![1]!
}

/** What the page's script asks and fills in when its person signs; `items` are those that they chose. */
export async function signed(
  { browser, passkey }: TestPerson,
  id: Id<"approval">,
  { items = [id], language = "en" }: { items?: string[]; language?: (typeof locales)[number] } = {},
): Promise<{ form: { [field: string]: string }; statements: string[] }> {
  const { text } = await browser.get(`/approvals/${id}?language=${language}`)
  const asking = { form: dataOf(text, "token"), locale: language, bounds: null, items }
  const answer = await browser.post(dataOf(text, "challenge"), asking as never)
  const { statements, options } = JSON.parse(answer.text)
  const response = JSON.stringify(passkey!.get(options, issuer))
  const { decision: _, ...fields } = fieldsOf(text)
  return { form: { ...fields, response, decision: "approve" }, statements }
}
