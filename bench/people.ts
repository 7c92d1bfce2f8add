import { createHash, randomBytes, randomUUID } from "node:crypto"
import type { Safeconduct } from "@safeconduct/sdk"
import { type Approver, openPages } from "../stories/fixtures/approver.ts"
import { openPushService, type PushService } from "../stories/fixtures/catchers.ts"
import type { Ground } from "../stories/fixtures/ground.ts"
import { until } from "../stories/fixtures/until.ts"
import type { Issuer } from "./issuer.ts"
import { each } from "./measure.ts"

/** Somebody whom the agent acts for: in a session of theirs, signed in with a browser, with a passkey and a phone. */
export type Person = Approver & { session: string; endpoint: string }

/** A request that waits for a person, and the key that it was asked with. */
export type Asked = { by: Person; approval: string; key: string }

/** People whom an agent asks, and what it and they send. Each throws unless the answer is the one that it is for. */
export type BenchPeople = AsyncDisposable & {
  all: readonly Person[]
  /** What browsers of theirs get, caught in this process. */
  push: PushService
  /** By `performance.now()`, when the next message for a person is there. */
  notified(person: Person): Promise<number>
  /** The agent asks for what takes an approval. */
  ask(by: Person): Promise<Asked>
  /** The agent's long poll; resolves when the request is decided. */
  decided(asked: Asked): Promise<void>
  /** The card's challenge, and the passkey's signature over it: the form that would approve it. */
  sign(asked: Asked): Promise<Form>
  approve(asked: Asked, form: Form): Promise<void>
  /** The action is begun with its approval. */
  use(asked: Asked): Promise<void>
  /** The agent asks for what takes no approval. */
  search(by: Person): Promise<void>
}

type Form = { [name: string]: string }
type Answered = { verdict: string; approval?: { id: string } | null }

const raise = { type: "tool", resource: "hr", operation: "raise", arguments: { employee: "E-7", amount: 5200 } }
const search = { type: "tool", resource: "hr", operation: "search", arguments: { query: "Who earns what?" } }
const may = [{ type: "safeconduct_action", actions: ["tool:raise", "tool:search"], locations: ["hr"] }]

/** Puts in force that users sign for a raise, and has so many of them enrol and subscribe on their own pages. */
export async function openPeople(ground: Ground, issuer: Issuer, count: number): Promise<BenchPeople> {
  await using stack = new AsyncDisposableStack()
  const push = stack.use(await openPushService())
  await ground.apply(documentOf(ground, issuer))
  const agent = await ground.enrolled("bot")
  const pages = openPages(() => ground.first.webUrl, ground.configuration.issuer)
  const all: Person[] = []
  await each(
    Array.from({ length: count }, (_, nth) => nth),
    4,
    async (nth) => {
      const subjectToken = await issuer.idToken(`user-${nth}`, "bot-there")
      const { id: session } = await agent.exchange({ purpose: "help", subjectToken })
      const by = { cookie: await signedIn(ground, session) }
      const { passkey, answer } = await pages.newPasskey(by)
      requireLedOn(await pages.enrol(by, answer))
      const { endpoint, p256dh, auth } = push.subscribe()
      requireLedOn(await pages.subscribe(by, { endpoint, keys: { p256dh, auth } }))
      all.push({ ...by, session, passkey, endpoint: new URL(endpoint).pathname })
    },
  )
  const waiting = "select from approvals.notices where state = 'waiting'"
  const withinMs = { withinMs: 120_000 }
  await until("news of passkeys is over", async () => (await ground.ours.query(waiting)).rowCount === 0, withinMs)
  const owned = stack.move()
  return {
    ...{ all, push },
    ...agentOf(agent),
    async notified({ endpoint }) {
      for (let next = push.caught.all.length; ; next++) {
        const caught = await push.caught.until(next + 1)
        if (caught[next]!.to === endpoint) return performance.now()
      }
    },
    sign: ({ by, approval }) => pages.signed(by, approval),
    approve: async ({ by, approval }, form) => requireLedOn(await pages.decide(by, approval, form)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function agentOf({ transport }: Safeconduct): Pick<BenchPeople, "ask" | "decided" | "use" | "search"> {
  const act = async (verdict: string, body: object, idempotencyKey: string) => {
    const call = { method: "POST", path: "/v1/actions", body, idempotencyKey, maxAttempts: 1 } as const
    const answer = await transport.json<Answered>(call)
    if (answer.verdict !== verdict) throw new Error(`not ${verdict}: ${JSON.stringify(answer)}`)
    return answer
  }
  return {
    async ask(by) {
      const key = randomUUID()
      const { approval } = await act("ask", { session: by.session, action: raise }, key)
      return { by, key, approval: approval!.id }
    },
    async decided({ by: { session }, approval }) {
      const path = `/v1/approvals/${approval}?wait=25`
      const { state } = await transport.json<{ state: string }>({ method: "GET", path, session, timeoutMs: 40_000 })
      if (state !== "approved") throw new Error(`not approved: ${state}`)
    },
    async use({ by: { session }, approval, key }) {
      await act("allow", { session, action: raise, approval }, key)
    },
    async search({ session }) {
      await act("allow", { session, action: search }, randomUUID())
    },
  }
}

/** Signs a browser in as the user of a session, as if they had come from their provider just now; its cookies. */
async function signedIn({ ours }: Ground, session: string): Promise<string> {
  const [browser, secret] = [randomBytes(32).toString("base64url"), randomBytes(32).toString("base64url")]
  await ours.query(
    `insert into sessions.browsers (cookie, "user", signed_in_at, expires_at)
       select $1, "user", now(), now() + interval '1 hour' from sessions.sessions where id = $2`,
    [createHash("sha256").update(secret).digest(), session],
  )
  return `__Host-safeconduct-browser=${browser}; __Host-safeconduct-signed-in=${secret}`
}

function requireLedOn({ status, text }: { status: number; text: string }): void {
  if (status !== 303) throw new Error(`a form was answered ${status}: ${text.slice(0, 500)}`)
}

function documentOf({ document }: Ground, { issuer }: Issuer) {
  const session = { lifetimeSeconds: 3_600, hardEndSeconds: 7_200, idleSeconds: 3_600 }
  const { bot } = document.agents
  return {
    ...document,
    providers: {
      shop: {
        ...{ issuer, network: "loopback", clientId: "safeconduct" },
        delegatedTokens: { agents: { "bot-there": "bot" } },
      },
    },
    applications: { shop: { description: "The shop", agents: ["bot"], providers: { shop: ["shop-client"] } } },
    purposes: { ...document.purposes, help: { description: "Help", actions: may, consent: "required", session } },
    resources: { ...document.resources, hr: { engine: "tools", operations: { raise: {}, search: {} } } },
    agents: { ...document.agents, bot: { ...bot!, purposes: ["help"], ceiling: may } },
    approvals: {
      ...{ expirySeconds: 3_600, useWithinSeconds: 3_600 },
      // As wide as it goes: people here are asked as often as they can answer.
      pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000, denialsToCoolOff: 100 },
      channels: {
        push: { contact: "mailto:operator@example.org", network: "loopback" },
        ...{ order: ["push"], fallbackSeconds: 3_600 },
      },
    },
    policies: [
      {
        file: "hr.cedar",
        text: `@id("all") permit (principal, action, resource);
          @id("raises-are-signed") @ask("user") forbid (principal, action, resource)
          when { context.operation == "raise" } unless { context.approved };`,
      },
    ],
  }
}
