import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { after, before, describe, test } from "node:test"
import { inspect } from "node:util"
import { type FakeProvider, startFakeProvider } from "../server/src/sessions/providers/provider.fixture.ts"
import { agentOperations } from "./fixtures/agent-operations.ts"
import { approvalOperations } from "./fixtures/approval-operations.ts"
import { openApproving, withApprovals } from "./fixtures/approving.ts"
import { chainOperations } from "./fixtures/chain-operations.ts"
import { changeOperations } from "./fixtures/change-operations.ts"
import { cibaOperations } from "./fixtures/ciba-operations.ts"
import { consentOperations } from "./fixtures/consent-operations.ts"
import { exchangeOperations, withUsers } from "./fixtures/exchange-operations.ts"
import type { Death, Step } from "./fixtures/faults.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { violationsOfLog } from "./fixtures/invariants.ts"
import { operatorOperations } from "./fixtures/operator-operations.ts"
import type { Server, Standby } from "./fixtures/servers.ts"
import { signInOperations } from "./fixtures/sign-in-operations.ts"
import { type Operation, openStage } from "./fixtures/stage.ts"
import { lookAt, readLog, violationsAtResource, violationsOfLedger } from "./fixtures/standing.ts"
import { until } from "./fixtures/until.ts"

/** Steps by operation; one marked with a question mark is at times another's, or not needed. */
const listed = readSteps(readFileSync(new URL("./durable-steps.txt", import.meta.url), "utf8"))
const reference = ["credentials", "approvals"]
  .map((room) => readFileSync(new URL(`../docs/reference/${room}.md`, import.meta.url), "utf8"))
  .join("\n")

describe("a server killed at each durable step", { timeout: 1_200_000 }, () => {
  let ground: Ground
  let provider: FakeProvider
  let server: Server
  let next: Promise<Standby>
  let operations: Map<string, Operation>
  before(async () => {
    ground = await openGround({ program: "fault-server", agents: ["bot", "suspect", "shipper", "accused"] })
    server = ground.first
    next = standby()
    provider = await startFakeProvider()
    await ground.apply(withApprovals(withUsers(withNotes(ground.document), provider)))
    const stage = openStage(ground, await ground.enrolled("bot"))
    const people = openApproving(stage)
    const all = [
      ...agentOperations(stage),
      ...chainOperations(stage, await ground.enrolled("shipper")),
      ...exchangeOperations(stage, provider),
      ...consentOperations(stage),
      ...signInOperations(stage, { name: "shop", issuer: provider.issuer }),
      ...operatorOperations(stage, await ground.enrolled("suspect")),
      ...approvalOperations(stage, people, await ground.enrolled("accused")),
      ...cibaOperations(stage, people),
      ...changeOperations(stage, await ground.second("approver")),
    ]
    operations = new Map(all.map((operation) => [operation.name, operation]))
  })
  after(async () => {
    await provider?.[Symbol.asyncDispose]()
    await ground?.[Symbol.asyncDispose]()
  })

  const standby = () => {
    const waiting = ground.standby(server)
    // The last one is never asked for, and may be killed while it loads.
    waiting.catch(() => undefined)
    return waiting
  }
  let asked = 0
  const ask = async <Answer>(command: object) => {
    asked += 1
    server.child.tell(JSON.stringify({ ...command, report: `report-${asked}` }))
    return await server.child.said<Answer>(`report-${asked}`)
  }

  test("the list names every operation, and what it makes durable, in no fewer and no more steps", async () => {
    assert.deepEqual([...listed.keys()], [...operations.keys()])
    const seen = new Map<string, Step[]>()
    for (const [name, operation] of operations) {
      const subject = await operation.prepare()
      await ask({ watch: { request: operation.request(subject) } })
      await operation.act(subject)
      await operation.over?.(subject)
      seen.set(name, (await ask<{ steps: Step[] }>({})).steps)
      await operation.mend(subject)
    }
    for (const [name, steps] of listed) {
      const own = seen.get(name)!
      const missing = without(required(steps), own)
      const unlisted = without(own, steps.map(unmarked))
      assert.deepEqual({ missing, unlisted }, { missing: [], unlisted: [] }, `${name}; seen:\n${writeSteps(seen)}`)
    }
  })

  test("the reference says of each step what a crash leaves, and who finds it", () => {
    const rows = [...reference.matchAll(/^\| ([\w-]+) \| `(\w+: [^`]+)` \| [^|]+ \| [^|]+ \|$/gm)]
    const told = rows.map(([, name, step]) => `${name}: ${step}`)
    const wanted = [...listed].flatMap(([name, steps]) =>
      required(steps).map((step) => `${name}: ${step.replace(/ \(.*\)$/, "")}`),
    )
    assert.deepEqual(told, wanted)
  })

  for (const [name, steps] of listed) {
    for (const { death, what } of deathsOf(steps)) {
      test(`${name}: ${what}`, async () => {
        const operation = operations.get(name)!
        const subject = await operation.prepare()
        await ask({ watch: { request: operation.request(subject), death } })
        // Whoever is killed answers nobody: an answer, or a refusal, says why nobody was.
        const acted = operation.act(subject).then(
          (answer) => ({ answer }),
          (refusal: unknown) => ({ refusal }),
        )
        await until("the server to be killed", () => Promise.race([server.child.ended, undefined]), {
          withinMs: 20_000,
        }).catch(async (late: Error) => {
          late.message += `; whoever asked has ${inspect(await Promise.race([acted, undefined]), { depth: 5 })}`
          throw late
        })
        server = await (await next).serve()
        next = standby()
        await operation.mend(subject)
      })
    }
  }

  test("afterwards nothing is orphaned on either side, and nothing acted unrecorded", async () => {
    await ground.ours.query("update audit.intents set deadline = now()")
    const limits = { kb: { leases: 1_000, leasesPerSession: 5 } }
    let violations: string[] = []
    const settle = async () => {
      const log = await readLog(ground.logReader(server), ground.logKey)
      const look = await lookAt(ground.owners["kb"]!)
      violations = [
        ...violationsOfLog(log, { isAtRest: true, limits }),
        ...violationsAtResource("kb", look, { before: log, after: log, isAtRest: true }),
        ...(await violationsOfLedger(log, ground.ours, { kb: look })),
      ]
      return violations.length === 0
    }
    await until("rest", settle).catch(() => undefined)
    assert.deepEqual(violations, [])
  })
})

/** Right before the first step, and right after each. */
function deathsOf(marked: readonly Step[]): { death: Death; what: string }[] {
  const steps = required(marked)
  const afterEach = steps.map((step, at) => {
    const nth = steps.slice(0, at + 1).filter((each) => each === step).length
    return { death: { after: step, nth }, what: `after ${step}` }
  })
  return [{ death: { before: true }, what: `before ${steps[0]}` }, ...afterEach]
}

function required(steps: readonly Step[]): Step[] {
  return steps.filter((step) => !step.startsWith("? "))
}

function unmarked(step: Step): Step {
  return step.replace("? ", "")
}

/** What is left of the steps when one of the others is taken away for each: of two that nobody orders, either may come first. */
function without(steps: readonly Step[], others: readonly Step[]): Step[] {
  const left = [...others]
  return steps.filter((step) => {
    const at = left.indexOf(step)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}

/** The list's form: an operation's name, and its steps below it, indented. */
function readSteps(text: string): Map<string, Step[]> {
  const steps = new Map<string, Step[]>()
  let own: Step[] = []
  for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith("#"))) {
    if (line.startsWith(" ")) own.push(line.trim())
    else {
      own = []
      steps.set(line, own)
    }
  }
  return steps
}

function writeSteps(steps: Map<string, Step[]>): string {
  return [...steps].map(([name, own]) => [name, ...own.map((step) => `  ${step}`)].join("\n")).join("\n")
}

/** What a tool is told too, so that there is an outcome to report; and `shipper` ships what `bot` hands on to it. */
function withNotes(document: Ground["document"]): Ground["document"] {
  const may = [
    { type: "safeconduct_action", actions: ["credential:read", "tool:note"], locations: ["kb"] },
    { type: "safeconduct_action", actions: ["delegate:ship"], locations: ["shipper"] },
  ]
  const answer = { ...document.purposes["answer"], actions: may, chain: { maxDepth: 1 } }
  return {
    ...document,
    purposes: { answer, ship: answer },
    agents: Object.fromEntries(
      Object.entries(document.agents).map(([name, agent]) => {
        const purposes = name === "shipper" ? ["ship"] : agent.purposes
        // Where a user comes back to with the code that the agent redeems.
        const redirectUris = ["bot", "accused"].includes(name) ? ["https://shop.example/callback"] : []
        return [name, { ...agent, purposes, redirectUris, ceiling: may }]
      }),
    ),
    policies: [
      ...document.policies,
      {
        file: "notes.cedar",
        text: `@id("bot-notes") permit (principal == agents::Agent::"bot", action == policy::Action::"tool", resource);`,
      },
      {
        file: "users.cedar",
        text: `@id("users-may") permit (principal is sessions::User, action, resource);`,
      },
      {
        file: "handing-on.cedar",
        text: `@id("handing-on") permit (principal, action == policy::Action::"delegate", resource);`,
      },
    ],
  }
}
