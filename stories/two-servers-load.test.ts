import assert from "node:assert/strict"
import { generateKeyPairSync, randomUUID } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { openTransport, peerOf, type Safeconduct, type Transport } from "@safeconduct/sdk"
import { createRequest } from "../sdk/src/csr.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { violationsOfLog } from "./fixtures/invariants.ts"
import type { Server } from "./fixtures/servers.ts"
import { lookAt, readLog, violationsAtResource, violationsOfLedger } from "./fixtures/standing.ts"
import { until } from "./fixtures/until.ts"

type Leased = { lease: { id: string }; credential: { user: string; password: string } }
type Settled<T> = { answers: T[]; codes: string[] }

/** Fewer than the sessions below ask for, so that they race for the last ones. */
const limits = { kb: { leases: 8, leasesPerSession: 3 } }
const WORKERS = 4
const ROUNDS = 3

describe("two servers under the same load", { timeout: 240_000 }, () => {
  let ground: Ground
  let servers: readonly Server[]
  before(async () => {
    ground = await openGround({ agents: ["worker"] })
    servers = [ground.first, await (await ground.standby()).serve()]
    const { kb } = ground.document.resources as { kb: { limits: object } }
    await ground.apply({
      ...ground.document,
      resources: { kb: { ...kb, limits: { ...kb.limits, ...limits.kb } } },
      ...withNotes(ground.document),
    })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** The same four times at both servers, at once. */
  const eightTimes = async <T>(both: readonly Transport[], ask: (at: Transport) => Promise<T>): Promise<Settled<T>> => {
    const settled = await Promise.allSettled(Array.from({ length: 8 }, (_, nth) => ask(both[nth % 2]!)))
    return {
      answers: settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])),
      codes: settled.flatMap((each) => (each.status === "rejected" ? [String(each.reason.code)] : [])),
    }
  }
  const bothOf = ({ identity }: Safeconduct) =>
    servers.map(({ agentsUrl }) => openTransport({ ...peerOf(identity), url: agentsUrl }))
  const lease = (at: Transport, session: string, idempotencyKey: string) =>
    at.json<Leased>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action: { type: "credential", resource: "kb", operation: "read" } },
      idempotencyKey,
    })
  const open = async (at: Transport) =>
    (
      await at.json<{ session: { id: string } }>({
        method: "POST",
        path: "/v1/sessions",
        body: { purpose: "answer" },
        isRepeatable: true,
      })
    ).session.id
  const endOf = (session: string) => (at: Transport) =>
    at.json({ method: "DELETE", path: `/v1/sessions/${session}` }) as Promise<object>
  const onlyWith = (codes: readonly string[], ...allowed: string[]) =>
    assert.deepEqual(
      codes.filter((code) => !allowed.includes(code)),
      [],
    )
  /** Every answer to one key is the same lease with the same credential. */
  const asOne = ({ answers, codes }: Settled<Leased>, ...allowed: string[]): Leased | undefined => {
    onlyWith(codes, ...allowed)
    const [first] = answers
    for (const each of answers) {
      assert.equal(each.lease.id, first!.lease.id)
      assert.deepEqual(each.credential, first!.credential)
    }
    return first
  }

  const work = async (both: readonly Transport[]): Promise<number> => {
    const session = await open(both[0]!)
    // One more than the session's limit.
    const keys = Array.from({ length: limits.kb.leasesPerSession + 1 }, () => randomUUID())
    const raced = await Promise.all(keys.map((key) => eightTimes(both, (at) => lease(at, session, key))))
    const leases = raced.flatMap((each) => asOne(each, "lease-limit") ?? [])
    const [first, second] = leases
    if (first !== undefined) {
      const path = `/v1/credentials/leases/${first.lease.id}`
      const [renewed, revoked] = await Promise.all([
        eightTimes(both, (at) => at.json<object>({ method: "POST", path: `${path}/renewal`, isRepeatable: true })),
        eightTimes(both, (at) => at.json<object>({ method: "DELETE", path })),
      ])
      onlyWith(renewed.codes, "lease-ended")
      onlyWith(revoked.codes)
    }
    // The session ends while it asks for more, and renews what it has.
    const key = randomUUID()
    const [ended, late, kept] = await Promise.all([
      eightTimes(both, endOf(session)),
      eightTimes(both, (at) => lease(at, session, key)),
      eightTimes(both, async (at) => {
        const path = `/v1/credentials/leases/${second?.lease.id}/renewal`
        return second && (await at.json<object>({ method: "POST", path, isRepeatable: true }))
      }),
    ])
    onlyWith(ended.codes)
    asOne(late, "session-ended", "lease-ended", "lease-limit")
    onlyWith(kept.codes, "session-ended", "lease-ended")
    return leases.length
  }

  const headSize = async () =>
    (await ground.ours.query<{ size: number }>("select size::int from audit.head")).rows[0]!.size
  /** Whatever is under way: what ended is gone, what stands was intended. */
  const violationsNow = async (isAtRest: boolean) => {
    const read = (at: Server) => readLog(ground.logReader(at), ground.logKey)
    const before = await read(servers[0]!)
    const look = await lookAt(ground.owners["kb"]!)
    const size = await headSize()
    const reaching = async () => {
      const log = await read(servers[1]!)
      return log.entries.length >= size && log
    }
    const log = isAtRest ? before : await until("a checkpoint over all of it", reaching)
    return [
      ...violationsOfLog(log, { isAtRest, limits }),
      ...violationsAtResource("kb", look, { before, after: log, isAtRest }),
      ...(isAtRest ? await violationsOfLedger(log, ground.ours, { kb: look }) : []),
    ]
  }

  test("every Idempotency-Key is one lease, no limit is passed, and ends win over renewals", async (t) => {
    const agents = await Promise.all(
      Array.from({ length: WORKERS }, (_, nth) => ground.enrolled("worker", servers[nth % 2]!)),
    )
    let isOver = false
    const watching = (async () => {
      let found: string[] = []
      while (!isOver && found.length === 0) {
        found = await violationsNow(false)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      return found
    })()
    const made = await Promise.all(
      agents.map(async (agent) => {
        const both = bothOf(agent)
        let leases = 0
        for (let round = 0; round < ROUNDS; round++) leases += await work(both)
        for (const each of both) each[Symbol.dispose]()
        return leases
      }),
    ).finally(() => {
      isOver = true
    })
    assert.deepEqual(await watching, [])
    t.diagnostic(`${made.reduce((sum, each) => sum + each, 0)} leases of ${WORKERS} workers, each asked for 8 times`)
  })

  test("of eight enrolments with one join token and eight keys, one succeeds", async () => {
    const { token } = await ground.operator.json<{ token: string }>({
      method: "POST",
      path: "/v1/agents/worker/join-tokens",
    })
    const { trustDomain, bundle } = ground.operator.peer
    const bare = servers.map(({ agentsUrl: url }) => openTransport({ url, trustDomain, bundle }))
    const { answers, codes } = await eightTimes(bare, (at) => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const body = { token, csr: createRequest(privateKey) }
      return at.json<object>({ method: "POST", path: "/v1/agents/enrolments", body })
    })
    assert.equal(answers.length, 1)
    onlyWith(codes, "join-token-invalid")
  })

  test("of eight reports of one action's outcome, one is taken", async () => {
    const agent = await ground.enrolled("worker")
    const both = bothOf(agent)
    const session = await open(both[0]!)
    const action = { type: "tool", resource: "kb", operation: "note" }
    const { entry } = await both[1]!.json<{ entry: string }>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action },
    })
    const body = { outcome: "succeeded" }
    const { answers, codes } = await eightTimes(both, (at) =>
      at.json<object>({ method: "POST", path: `/v1/actions/${entry}/outcome`, body }),
    )
    assert.equal(answers.length, 1)
    onlyWith(codes, "not-found")
    assert.equal((await ground.entries({ session, event: "gate.action-succeeded" })).length, 1)
    await endOf(session)(both[1]!)
  })

  test("of eight configurations applied to what is in force, one is, on both", async () => {
    const operators = servers.map(({ agentsUrl }) => openTransport({ ...ground.operator.peer, url: agentsUrl }))
    const inForce = (at: Transport) =>
      at.json<{ digest: string; document: { policies: { file: string; text: string }[] } }>({
        method: "GET",
        path: "/v1/policy",
      })
    const { digest: expected, document } = await inForce(operators[0]!)
    let nth = 0
    const { answers, codes } = await eightTimes(operators, (at) => {
      nth += 1
      const file = `race-${nth}.cedar`
      const text = `@id("race-${nth}") forbid (principal, action, resource) when { context.operation == "never-${nth}" };`
      const body = { document: { ...document, policies: [...document.policies, { file, text }] }, expected }
      return at.json<{ digest: string }>({ method: "PUT", path: "/v1/policy", body })
    })
    assert.equal(answers.length, 1)
    onlyWith(codes, "idempotency-conflict")
    for (const at of operators) {
      await until("the winner in force", async () => (await inForce(at)).digest === answers[0]!.digest)
      assert.equal((await inForce(at)).document.policies.length, document.policies.length + 1)
    }
  })

  test("afterwards log, ledger and resource agree, and nobody had to be freed from a deadlock", async () => {
    await ground.ours.query("update audit.intents set deadline = now()")
    let violations: string[] = []
    const look = async () => {
      violations = await violationsNow(true)
      return violations.length === 0
    }
    await until("rest", look).catch(() => undefined)
    assert.deepEqual(violations, [])
    const { rows } = await ground.ours.query<{ deadlocks: number }>(
      "select deadlocks::int from pg_stat_database where datname = current_database()",
    )
    assert.equal(rows[0]!.deadlocks, 0)
    for (const { webUrl } of servers) {
      await until("a checkpoint of everything", async () => {
        const checkpoint = await fetch(`${webUrl}/log/checkpoint`).then((answer) => answer.text())
        return Number(checkpoint.split("\n")[1]) === (await headSize())
      })
    }
  })
})

/** What a tool is told too, so that there is an outcome to report. */
function withNotes(document: Ground["document"]): Partial<Ground["document"]> {
  const may = [{ type: "safeconduct_action", actions: ["credential:read", "tool:note"], locations: ["kb"] }]
  const text = `@id("notes") permit (principal, action == policy::Action::"tool", resource);`
  return {
    purposes: { answer: { ...document.purposes["answer"], actions: may } },
    agents: { worker: { ...document.agents["worker"]!, ceiling: may } },
    policies: [...document.policies, { file: "notes.cedar", text }],
  }
}
