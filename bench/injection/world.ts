import { generateKeyPairSync } from "node:crypto"
import { type Safeconduct, SafeconductError, signStatement } from "@safeconduct/sdk"
import { openGround } from "../../stories/fixtures/ground.ts"
import { type Issuer, openIssuer } from "../issuer.ts"
import { type Detail, purposesOf, RECORD, TOOLS } from "./configure.ts"
import { lookupsOf } from "./look-ups.ts"
import { readRecord, type StartRecord } from "./record.ts"
import { onlyAsks } from "./requests.ts"
import { kindOf } from "./roles.ts"
import type { Call, Suite, UserTask } from "./suite.ts"

/** What the gate says to a call, and why in words. */
export type Answer = { verdict: "allow" | "ask" | "deny"; reasons: readonly string[] }

/** One session of the user's agent, which may be anybody's by now. */
export type Agent = { ask(call: Call): Promise<Answer> }

/** A deployment that protects a suite's tools, with the suite's start state as its system of record. */
export type World = AsyncDisposable & {
  /** Puts what was compiled in force, with details rewritten where a test wants to see what the replay finds. */
  apply(rewrite?: Rewrite): Promise<void>
  /** Opens a session for a new user who asks this, by the word of the application that they told it to. */
  open(task: Pick<UserTask, "id" | "prompt">): Promise<Agent>
}

/** Replaces a detail of what was compiled. */
export type Rewrite = (detail: Detail) => Detail

const CLIENT = "assistant-client"
const APPLICATION = "assistant-web"
const PROVIDER = "home"
/** As the ground's servers call themselves. */
const ISSUER = "https://safeconduct.example.org"
/** Longest request text that there is. */
const MAX_REQUEST = 2_000
const MAX_AGENTS = 16

/** Starts it: a server in a process of its own, both databases, a provider and an application. */
export async function openWorld(suite: Suite): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const names = Array.from(
    { length: Math.min(MAX_AGENTS, suite.user_tasks.length) },
    (_, nth) => `assistant-${nth + 1}`,
  )
  const ground = stack.use(await openGround({ resources: { [RECORD]: 18 }, agents: names }))
  const issuer = stack.use(await openIssuer(CLIENT))
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const record = readRecord(suite)
  await fillRecord(ground.owners[RECORD]!, record)
  const key = { ...publicKey.export({ format: "jwk" }), kid: "assistant-1" }
  const apply: World["apply"] = async (rewrite = (detail) => detail) => {
    const purposes = mapped(purposesOf(suite, record), rewrite)
    await ground.apply(documentOf({ ground: ground.document, suite, record, purposes, names, issuer, key }))
  }
  await apply()
  const agents = await Promise.all(names.map((name) => ground.enrolled(name)))
  const acting = suite.tools.filter((tool) => kindOf(tool) !== "looks").map((tool) => tool.name)
  const [subjects, claims] = [counter(), record.own]
  const owned = stack.move()
  return {
    apply,
    async open({ id, prompt }) {
      const at = suite.user_tasks.findIndex((each) => each.id === id) % agents.length
      const [agent, name, sub] = [agents[at]!, names[at]!, `user-${subjects()}`]
      const purpose = onlyAsks(prompt, acting) ? "answer" : "act"
      const about = {
        issuer: ISSUER,
        application: APPLICATION,
        agent: name,
        purpose,
        user: { iss: issuer.issuer, sub },
      }
      const statement = signStatement(
        { privateKey, kid: "assistant-1" },
        { ...about, request: prompt.slice(0, MAX_REQUEST) },
      )
      const subjectToken = await issuer.idToken(sub, `${name}-there`, claims)
      const session = await agent.exchange({ purpose, subjectToken, statement })
      return { ask: (call) => ask(agent, session.id, call) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function ask({ transport }: Safeconduct, session: string, { function: operation, args }: Call): Promise<Answer> {
  const action = { type: "tool", resource: TOOLS, operation, arguments: args }
  try {
    return await transport.json<Answer>({ method: "POST", path: "/v1/actions", body: { session, action } })
  } catch (error) {
    if (!(error instanceof SafeconductError)) throw error
    // What cannot even be asked is not done.
    return { verdict: "deny", reasons: [`${error.code}: ${error.message}`] }
  }
}

type Ground = Awaited<ReturnType<typeof openGround>>

async function fillRecord(owner: Ground["owners"][string], { tables }: StartRecord): Promise<void> {
  await owner.query("create table public.record (path text not null, row jsonb not null)")
  await owner.query("grant select on public.record to kb_read")
  for (const { path, rows } of tables) {
    const insert = "insert into public.record select $1, row from jsonb_array_elements($2::jsonb) as row"
    await owner.query(insert, [path, JSON.stringify(rows)])
  }
}

type Purposed = { [purpose: string]: Detail[] }

type Parts = {
  ground: Ground["document"]
  suite: Suite
  record: StartRecord
  purposes: Purposed
  names: readonly string[]
  issuer: Issuer
  key: object
}

function documentOf({ ground, suite, record, purposes, names, issuer, key }: Parts): Ground["document"] {
  const lookups = Object.fromEntries(
    Object.entries(lookupsOf(record)).map(([name, lookup]) => [
      name,
      { ...lookup, resource: RECORD, operation: "read" },
    ]),
  )
  const ceiling = purposes["act"]!.map(({ actions, locations }) => ({ type: "safeconduct_action", actions, locations }))
  const hours = { lifetimeSeconds: 7_200, hardEndSeconds: 7_200, idleSeconds: 7_200 }
  const leases = { leases: 10_000, leasesPerSession: 1_000, connectionsPerLease: 5, scramIterations: 1 }
  const document = {
    ...ground,
    resources: {
      [RECORD]: { ...ground.resources[RECORD], limits: leases },
      [TOOLS]: { engine: "tools", operations: operationsOf(suite) },
    },
    providers: {
      [PROVIDER]: {
        ...{ issuer: issuer.issuer, network: "loopback", clientId: "safeconduct" },
        claims: Object.fromEntries(Object.keys(record.own).map((claim) => [claim, claim])),
        delegatedTokens: { agents: Object.fromEntries(names.map((name) => [`${name}-there`, name])) },
      },
    },
    applications: {
      [APPLICATION]: { description: "The assistant", agents: names, providers: { [PROVIDER]: [CLIENT] }, keys: [key] },
    },
    purposes: Object.fromEntries(
      Object.entries(purposes).map(([name, actions]) => [
        name,
        { description: "Help you with what you ask", actions, lookups, consent: "required", session: hours },
      ]),
    ),
    agents: Object.fromEntries(
      names.map((name) => [name, { ...ground.agents[name], purposes: Object.keys(purposes), ceiling }]),
    ),
    policies: [
      { file: "tools.cedar", text: `@id("all") permit (principal, action == policy::Action::"tool", resource);` },
    ],
    // A replay asks more than a person is ever asked; how rarely people are asked at the most is another part's to keep.
    approvals: { pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000 } },
  }
  return document as unknown as Ground["document"]
}

function operationsOf({ tools }: Suite): { [tool: string]: object } {
  return Object.fromEntries(
    tools.map((tool) => [tool.name, kindOf(tool) === "takes-away" ? { irreversible: true } : {}] as const),
  )
}

function mapped(purposes: { [name: string]: Detail[] }, rewrite: Rewrite): Purposed {
  return Object.fromEntries(Object.entries(purposes).map(([name, details]) => [name, details.map(rewrite)]))
}

function counter(): () => number {
  let count = 0
  return () => ++count
}
