import { X509Certificate } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as agentsRoom from "#agents"
import * as approvalsRoom from "#approvals"
import * as auditRoom from "#audit"
import * as credentialsRoom from "#credentials"
import {
  bumpEpoch,
  type Database,
  generateKey,
  openJournal,
  Refusal,
  Secret,
  silentLog,
  systemClock,
  watchEpoch,
} from "#kernel"
import * as policyRoom from "#policy"
import * as sessionsRoom from "#sessions"
import { type TestDatabase, testDatabase, testKeyring } from "#testing"
import { type Acted, act } from "./act.ts"
import { apply, parseDocument } from "./apply.ts"
import { events } from "./events.ts"
import { type Opened, openSession } from "./open.ts"
import { createOwed } from "./owed.ts"
import { type FakeResource, fakeResource } from "./resource.fixture.ts"
import type { Rooms } from "./rooms.ts"

const { migrations: agentsMigrations, newSigningRequest, openAgents } = agentsRoom
const { migrations: approvalsMigrations, openApprovals } = approvalsRoom
const { migrations: auditMigrations, createLogKey, openAudit, openFileSigner } = auditRoom
const { engines, migrations: credentialsMigrations, openCredentials } = credentialsRoom
const { migrations: policyMigrations, openPolicy } = policyRoom
const { migrations: sessionsMigrations, openSessions } = sessionsRoom

const origin = "example.org/log/1"
const tools = engines.find(({ name }) => name === "tools")!

/** One server: all rooms, open on the shared database. */
export type TestServer = AsyncDisposable & { rooms: Rooms; database: PluggedDatabase }

/** Every room for real on one database; what is protected is in memory. One agent `bot`, one operator, one purpose. */
export interface TestGate extends AsyncDisposable {
  store: TestDatabase
  rooms: Rooms
  /** The database as `rooms` have it, with a plug. */
  database: PluggedDatabase
  resource: FakeResource
  bot: agentsRoom.AgentPrincipal
  operator: agentsRoom.OperatorPrincipal
  /** Another instance of the agent, or of another one. */
  instance(name?: string): Promise<agentsRoom.AgentPrincipal>
  /** One more server. */
  another(): Promise<TestServer>
  /** Applies the configuration with a part of it replaced. */
  apply(part?: Partial<policyRoom.Document>): Promise<void>
  open(
    caller?: agentsRoom.AgentPrincipal,
    more?: { lifetimeSeconds?: number; hardEndSeconds?: number },
  ): Promise<Opened>
  /** Asks for the credential to read `kb`. */
  lease(session: string, idempotencyKey?: string, caller?: agentsRoom.AgentPrincipal): Promise<Acted>
  /** Leaves of the log, of that event where given. */
  entries(event?: string): Promise<auditRoom.Leaf[]>
  /** Does it while the database cannot be reached by the first server. */
  unplugged<T>(work: () => Promise<T>): Promise<T>
  /** Takes something away from nobody: the epoch moves. */
  bump(): Promise<void>
}

/** Our database with a plug: pulled, every statement fails as if it could not be reached. */
export type PluggedDatabase = Database & { isPulled: boolean }

/** What lets the bot read and nothing else. */
export const permit = `@id("bot-reads") permit (principal == agents::Agent::"bot", action, resource) when { context.operation == "read" };`
const detail = {
  type: "safeconduct_action",
  actions: ["credential:read", "credential:write", "tool:ask"],
  locations: ["kb"],
}

/** The configuration of tests. */
export const document = {
  purposes: { answer: { description: "Answer questions", actions: [detail], session: { leaseSeconds: 60 } } },
  resources: { kb: { engine: "fake" } },
  agents: { bot: { owner: "owner@example.org", purposes: ["answer"], ceiling: [detail] } },
  policies: [{ file: "bot.cedar", text: permit }],
}

/** What the bot asks for. */
export const readKb = { type: "credential", resource: "kb", operation: "read", arguments: {} } as const

/** Opens the deployment with one server, its configuration in force and the root of `kb` handed over. */
export async function openTestGate(): Promise<TestGate> {
  await using stack = new AsyncDisposableStack()
  const above = [policyMigrations, approvalsMigrations, credentialsMigrations]
  const migrations = [auditMigrations, agentsMigrations, sessionsMigrations, ...above]
  const store = stack.use(await testDatabase({ rooms: migrations }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-gate-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const keyring = testKeyring()
  const resource = fakeResource()
  const owned = stack.move()

  const another = async (): Promise<TestServer> => {
    await using opening = new AsyncDisposableStack()
    const database = plugged(store.database)
    const common = { database, keyring, clock: systemClock, log: silentLog, trustDomain: "example.org" }
    const signer = await openFileSigner(keyPath, origin)
    const known = [agentsRoom, approvalsRoom, auditRoom, credentialsRoom, policyRoom, sessionsRoom, { events }]
    const all = Object.assign({}, ...known.map((room) => room.events))
    const audit = opening.use(await openAudit({ ...common, signer, origin, events: all, sweepMs: 3_600_000 }))
    const epoch = opening.use(await watchEpoch(common))
    const parts = { ...common, audit, epoch, issuer: "https://safeconduct.example", engines: [resource.kind, tools] }
    const agents = opening.use(await openAgents(parts))
    const sessions = opening.use(await openSessions(parts))
    const policy = await openPolicy(parts)
    const approvals = opening.use(await openApprovals(parts))
    const journal = await openJournal({ ...common, folder: join(folder, "journal") })
    const credentials = opening.use(await openCredentials({ ...parts, journal: journal.write }))
    const server = opening.move()
    owned.use(server)
    const below = { audit, agents, sessions, policy, approvals, credentials }
    const open = { ...below, epoch, clock: systemClock, log: silentLog }
    const rooms: Rooms = { ...open, owed: createOwed({ ...open, journal }) }
    return { rooms, database, [Symbol.asyncDispose]: () => server.disposeAsync() }
  }
  const { rooms, database } = await another()
  const enrol = async (request: agentsRoom.JoinRequest) => {
    const { token } = await rooms.agents.createJoinToken(request, "server")
    const { privateKey } = generateKey()
    const { svid } = await rooms.agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
    return await rooms.agents.identify(chainOf(svid))
  }
  const gate: Omit<TestGate, "bot" | "operator"> = {
    store,
    rooms,
    database,
    resource,
    instance: async (name = "bot") => (await enrol({ kind: "agent", name })) as agentsRoom.AgentPrincipal,
    another,
    async apply(part = {}) {
      await apply(rooms, "server", parseDocument({ ...document, ...part }))
    },
    open: (caller = bot, more = {}) => openSession(rooms, caller, { purpose: "answer", ...more }),
    lease: (session, idempotencyKey = undefined, caller = bot) =>
      act(rooms, caller, { session, action: readKb, idempotencyKey: idempotencyKey ?? null }),
    async entries(event) {
      const rows = await store.owner.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where $1::text is null or event = $1 order by index",
        [event ?? null],
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as auditRoom.Leaf)
    },
    async unplugged(work) {
      database.isPulled = true
      try {
        return await work()
      } finally {
        database.isPulled = false
      }
    },
    async bump() {
      await store.database.transaction(bumpEpoch)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  await gate.apply()
  const operator = (await enrol({ kind: "operator", name: "olga", roles: ["admin"] })) as agentsRoom.OperatorPrincipal
  await rooms.credentials.configure("kb", { username: "root", password: new Secret("root") }, operator.spiffeId)
  const bot = await gate.instance()
  return { ...gate, bot, operator }
}

/** The rooms with something that happens right before each commit, as if another server had done it. */
export function before(rooms: Rooms, happens: (commit: number) => Promise<void>): Rooms {
  let count = 0
  const commit: Rooms["audit"]["commit"] = async (change) => {
    await happens(++count)
    return await rooms.audit.commit(change)
  }
  return { ...rooms, audit: { ...rooms.audit, commit } }
}

function chainOf(pem: string): Buffer[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block).raw)
}

function plugged(database: Database): PluggedDatabase {
  const refuse = () => {
    if (outside.isPulled) throw new Refusal("store-unavailable", "The plug is pulled.")
  }
  const outside: PluggedDatabase = {
    isPulled: false,
    async query(text, values) {
      refuse()
      return await database.query(text, values)
    },
    async transaction(work) {
      refuse()
      return await database.transaction(work)
    },
    listen: (channel, onNotice) => database.listen(channel, onNotice),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return outside
}
