import assert from "node:assert/strict"
import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { openTransport, peerOf, type Safeconduct } from "@safeconduct/sdk"
import { refusals } from "@safeconduct/server/programs"
import { newSigningRequest } from "../server/src/agents/csr.ts"
import { allRoutes } from "../server/src/house/assembled.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { type OddRequest, oddRequestsOf, type SeenRoute } from "./fixtures/odd-requests.ts"
import { type Destination, exchangeRaw, type RawAnswer } from "./fixtures/raw-http.ts"
import type { Server } from "./fixtures/servers.ts"

/** Chosen once; what is sent to whom follows from it. */
const SEED = 3
/** Of all that is odd, each route gets so many; between them the routes get everything. */
const PER_ROUTE = 64
const AT_ONCE = 8
const AUDITOR = { name: "auditor", roles: ["auditor"] }
/** Events that say that somebody read or asked in vain. Whatever else is recorded meanwhile was an effect. */
const HARMLESS = ["audit.read", "policy.asked", "gate.session-refused", "gate.action-denied", "gate.renewal-denied"]

describe("strangers", { timeout: 180_000 }, () => {
  let ground: Ground
  let server: Server
  let agent: Safeconduct
  before(async () => {
    ground = await openGround()
    server = ground.first
    agent = await ground.enrolled("bot")
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const identities = () => {
    const agentTls = peerOf(agent.identity).credentials!
    const operatorTls = ground.operator.peer.credentials!
    return {
      agent: { key: agentTls.key, cert: agentTls.svid },
      operator: { key: operatorTls.key, cert: operatorTls.svid },
      nobody: {},
    }
  }
  /** Everything that an effect would change, as counts. */
  const state = async () => {
    const tables = [
      "agents.agents",
      "agents.operators where state = 'active'",
      "agents.instances",
      "agents.join_tokens",
      "agents.svids where instance is not null",
      "sessions.sessions where state = 'open'",
      "sessions.delegations",
      "credentials.leases",
      "credentials.resources",
      "policy.versions",
      "kernel.keys",
    ]
    const counted = tables.map((table, nth) => `(select count(*)::int from ${table}) as n${nth}`)
    return (await ground.ours.query(`select ${counted.join()}, (select digest from policy.in_force)`)).rows[0]
  }

  /** As nobody, who knows the roots. */
  const stranger = (at: Server) => {
    const { trustDomain, bundle } = ground.operator.peer
    return openTransport({ url: at.agentsUrl, trustDomain, bundle })
  }
  const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const joinToken = async (path: string, body?: object) =>
    (await ground.operator.json<{ token: string }>({ method: "POST", path, ...(body && { body }) })).token
  const enrol = async (at: Server, token: string, key: KeyObject) => {
    using transport = stranger(at)
    const body = { token, csr: newSigningRequest(key) }
    return await transport.json<{ instance: string; svid: string }>({
      method: "POST",
      path: "/v1/agents/enrolments",
      body,
    })
  }
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error: { code: string }) => error.code,
    )

  test("who replays an enrolment gets an SVID for a key that it has not, and nothing for its own", async () => {
    const token = await joinToken("/v1/agents/bot/join-tokens")
    const key = newKey()
    const first = await enrol(server, token, key)
    const again = await enrol(server, token, key)
    assert.equal(again.instance, first.instance)
    assert.equal(new X509Certificate(again.svid).checkPrivateKey(key), true)
    assert.equal(await codeOf(enrol(server, token, newKey())), "join-token-invalid")
    const other = await joinToken("/v1/agents/bot/join-tokens")
    assert.equal(await codeOf(enrol(server, other, key)), "key-already-enrolled")
    assert.notEqual((await enrol(server, other, newKey())).instance, first.instance)
    assert.equal(
      await codeOf(
        enrol(
          server,
          token.replace(/^./, (one) => (one === "a" ? "b" : "a")),
          newKey(),
        ),
      ),
      "join-token-invalid",
    )
  })

  test("eight who use one join token at once, on two servers, are one instance and seven refusals", async () => {
    const other = await (await ground.standby()).serve()
    const token = await joinToken("/v1/agents/bot/join-tokens")
    const count = async () => (await ground.ours.query("select count(*)::int as n from agents.instances")).rows[0].n
    const before = await count()
    const tries = Array.from({ length: 8 }, (_, nth) => codeOf(enrol(nth % 2 === 0 ? server : other, token, newKey())))
    const codes = (await Promise.all(tries)).sort()
    assert.deepEqual(codes, ["done", ...Array.from({ length: 7 }, () => "join-token-invalid")])
    assert.equal(await count(), before + 1)
  })

  test("an agent makes nothing of what is an operator's: no token, no key, no route", async () => {
    const { operator } = ground
    const token = await joinToken("/v1/agents/operators", AUDITOR)
    const agentsKey = agent.identity.privateKey
    assert.equal(await codeOf(enrol(server, token, agentsKey)), "key-already-enrolled")
    const renewal = { method: "POST", path: "/v1/agents/renewals" } as const
    const operatorsKey = createPrivateKey(operator.peer.credentials!.key)
    const body = { csr: newSigningRequest(operatorsKey) }
    assert.equal(await codeOf(agent.transport.json({ ...renewal, body })), "csr-invalid")
    const path = "/v1/agents/operators"
    assert.equal(await codeOf(agent.transport.json({ method: "POST", path, body: AUDITOR })), "wrong-role")
    assert.equal(
      await codeOf(agent.transport.json({ method: "POST", path: "/v1/agents/bot/join-tokens" })),
      "wrong-role",
    )
    const open = { method: "POST", path: "/v1/sessions", body: { purpose: "answer" } } as const
    assert.equal(await codeOf(operator.json(open)), "wrong-role", "nor an operator of what is an agent's")
    // The token was not spent by whom it was not for.
    assert.match((await enrol(server, token, newKey())).instance, /^instance_/)
  })

  test("send thousands of odd requests to every route: none fails us, all are told why, nothing changes", async (t) => {
    const session = await agent.open({ purpose: "answer" })
    const routes = allRoutes() as readonly SeenRoute[]
    const [before, { rows: entriesBefore }] = [await state(), await ground.ours.query("select size from audit.head")]
    const as = identities()
    const next = random(SEED)
    const sent = routes.flatMap((route) =>
      shuffled(oddRequestsOf(route), next)
        .slice(0, PER_ROUTE)
        .map((request, nth) => ({ to: destination(server, as, route, nth, next), request })),
    )
    const began = performance.now()
    const seen = new Map<string, number>()
    const wrong: string[] = []
    let slowest = 0
    const queue = shuffled(sent, next)
    const work = async () => {
      for (let each = queue.pop(); each !== undefined; each = queue.pop()) {
        const { to, request } = each
        const asked = performance.now()
        const answer = await exchangeRaw(to, request).catch((error: Error) => error)
        const problem = answer instanceof Error ? answer.message : problemWith(answer, request)
        slowest = Math.max(slowest, performance.now() - asked)
        const code = answer instanceof Error ? "none" : String(answer?.status ?? "closed")
        seen.set(code, (seen.get(code) ?? 0) + 1)
        if (problem === null) continue
        wrong.push(`${request.route.method} ${request.route.path} as ${to.who}, ${request.what}: ${problem}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    const counts = [...seen].sort().map(([status, count]) => `${status}: ${count}`)
    t.diagnostic(`seed ${SEED}, ${sent.length} requests to ${routes.length} routes; ${counts.join(", ")}`)
    t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s, the slowest ${slowest.toFixed(0)} ms`)
    assert.deepEqual(wrong, [])
    assert.ok(sent.length >= 2_000)
    assert.ok((seen.get("400") ?? 0) > 1_000)

    const { rows: events } = await ground.ours.query<{ event: string }>(
      "select distinct event from audit.entries where index >= $1",
      [entriesBefore[0].size],
    )
    assert.deepEqual(
      events.map(({ event }) => event).filter((event) => !HARMLESS.includes(event)),
      [],
    )
    assert.deepEqual(await state(), before)
    assert.equal(server.child.errors().includes("unexpected error"), false, server.child.errors())
    assert.equal((await fetch(`${server.opsUrl}/readyz`)).status, 200)
    const lease = await session.lease("kb", { operation: "read" })
    await lease.revoke()
    await session.end()
  })
})

/** By right: who may call it mostly does, so that what is odd is looked at; others do now and then. */
function destination(
  server: Server,
  as: { agent: object; operator: object; nobody: object },
  { right, listeners }: SeenRoute,
  nth: number,
  next: () => number,
): Destination & { who: string } {
  const listener = listeners[nth % listeners.length]!
  const url = { agents: server.agentsUrl, web: server.webUrl, ops: server.opsUrl }[listener]
  // Each from an address of its own, where the system has them: what is limited by address is judged all the same.
  const localAddress = process.platform === "linux" ? `127.0.${1 + (nth % 200)}.${1 + Math.floor(next() * 250)}` : ""
  const entitled = right === "agent" ? "agent" : right === "public" || right === "enrol" ? "nobody" : "operator"
  const anybody = (["agent", "operator", "nobody"] as const)[Math.floor(next() * 3)]!
  const who = listener !== "agents" ? "nobody" : next() < 0.8 ? entitled : anybody
  return { url, who, ...(localAddress && { localAddress }), ...as[who] }
}

/** What is wrong with an answer; null when it is one that a stranger may get. */
function problemWith(answer: RawAnswer, { method, route, what }: OddRequest): string | null {
  if (answer === null) return "closed without an answer"
  const { status, headers, body } = answer
  if (status >= 500) return `${status} ${body}`
  if (method === "HEAD" || status === 304) return null
  if (status < 400) {
    // Reading, and asking, may succeed however oddly it was asked for.
    const isReading = method === "GET" || route.right === "ask-policy" || route.right === "read-policy"
    // Whoever tells of a receipt is told nothing, whether there is such a notice or not.
    const isReceipt = status === 204 && route.path.endsWith("/receipt")
    return isReading || isReceipt ? null : `${status} ${body.slice(0, 200)}`
  }
  const type = headers.get("content-type") ?? "no type"
  if (route.isPage === true && type === "text/html; charset=utf-8") return problemWithPage(status, headers, body)
  try {
    const told = JSON.parse(body) as { code: string; status: number; error: string; error_description: string }
    if (type.startsWith("application/problem+json")) {
      // AuthZEN Access Request names its problems itself.
      const { type: named = "" } = told as { type?: string }
      if (route.path.startsWith("/access/v1/requests") && /:access-request:error:[a-z_]+$/.test(named)) return null
      const known = refusals[told.code as keyof typeof refusals]
      if (known === undefined || known.status !== status || told.status !== status) return `${status} ${body}`
      return told.code === "internal" ? body : null
    }
    const isOAuth = route.bodyType === "form" && type === "application/json" && typeof told.error === "string"
    const known = new Set(Object.values(refusals).map(({ oauth }) => oauth as string))
    if (isOAuth && known.has(told.error)) return null
  } catch {
    // It is told below what it was.
  }
  return `${status} ${type} ${body.slice(0, 200)} (${what})`
}

/** Of what people read: a page that runs nothing, with the code that its status is of and nothing else of ours. */
function problemWithPage(status: number, headers: ReadonlyMap<string, string>, body: string): string | null {
  const code = /<code>([a-z-]+)<\/code>/.exec(body)?.[1] ?? "none"
  const known = refusals[code as keyof typeof refusals]
  const runsNothing = headers.get("content-security-policy")?.startsWith("default-src 'none'") === true
  const isRefusal = body.includes("<h1>This did not work</h1>") && code !== "internal" && known?.status === status
  // This server has no provider.
  const isOurs = isRefusal || (status === 404 && body.includes("<h1>Nobody can sign in here</h1>"))
  const isPlain = !/<script|\bat \/|node:|[/.](?:ts|js):\d|select |sessions\./i.test(body)
  return isOurs && runsNothing && isPlain ? null : `${status} ${code} ${body.slice(body.indexOf("<main>"), 600)}`
}

/** Numbers from 0 to 1 that are the same for each seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function shuffled<T>(all: readonly T[], next: () => number): T[] {
  const left = [...all]
  for (let at = left.length - 1; at > 0; at--) {
    const other = Math.floor(next() * (at + 1))
    ;[left[at], left[other]] = [left[other]!, left[at]!]
  }
  return left
}
