import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AgentPrincipal } from "#agents"
import { type Audit, migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { type Epoch, type Id, newId, readKeys, type StoredKey, silentLog, systemClock, watchEpoch } from "#kernel"
import { type TestDatabase, testDatabase, testKeyring } from "#testing"
import {
  type Delegation,
  events,
  migrations,
  type Opening,
  openSessions,
  type PurposesPart,
  parseDetails,
  type Session,
  type Sessions,
  type SessionsParts,
} from "./index.ts"

/** Issuer of every test server. */
export const issuer = "https://safeconduct.example"
const origin = "example.org/log/1"

/** What the purpose and the ceilings of tests allow. */
export const details = [{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }]
/** The one action that they allow. */
export const readKb = { type: "credential", operation: "read", resource: "kb" }

/** One server: its own memory, its own epoch. */
export type TestServer = { sessions: Sessions; audit: Audit; epoch: Epoch }

/** A deployment of its own for one test: a database, one purpose in force, and one server at it. */
export type TestSessions = AsyncDisposable &
  TestServer & {
    store: TestDatabase
    /** Starts one more server at the same database. */
    another(parts?: Partial<SessionsParts>): Promise<TestServer>
    /** Puts the purpose `answer-questions` in force with these session times. */
    purposes(session: Partial<PurposesPart[string]["session"]>, actions?: unknown): Promise<void>
    /** Opens a session for the agent, committed. */
    open(caller?: AgentPrincipal, more?: Partial<Opening>): Promise<Session>
    /** Alice, known under an id, with what she delegated: everything that the purpose allows, unless told. */
    delegation(more?: Partial<Delegation>): Promise<Delegation>
    /** Moves all times of a session into the past: the same as waiting. */
    age(id: string, seconds: number): Promise<void>
    /** The key that signs tokens, as only the server has it. */
    ownKey(): Promise<StoredKey>
    /** What the log says, newest last, without the entries that the fixture made. */
    entries(): Promise<{ event: string; by: string; data: { [name: string]: unknown } | undefined }[]>
  }

/** An agent's instance, as mutual TLS would have identified it. */
export function agent(more: Partial<AgentPrincipal> = {}): AgentPrincipal {
  const name = more.name ?? "support-bot"
  return {
    kind: "agent",
    spiffeId: `spiffe://example.org/agent/${name}`,
    name,
    agentId: "agent_0",
    instance: "instance_1",
    serial: "0a",
    confirmation: { "x5t#S256": "thumbprint-1" },
    notAfterMs: Date.now() + 3_600_000,
    ...more,
  }
}

/** Makes a deployment with one server that has the purpose in force. */
export async function openTestSessions(): Promise<TestSessions> {
  const store = await testDatabase({ rooms: [auditMigrations, migrations] })
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-sessions-"))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const keyring = testKeyring()
  const stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true }))
  stack.use(store)

  const another = async (parts: Partial<SessionsParts> = {}): Promise<TestServer> => {
    const common = { database: store.database, clock: systemClock, log: silentLog }
    const signer = await openFileSigner(keyPath, origin)
    const audit = stack.use(await openAudit({ ...common, signer, origin, events, sweepMs: 3_600_000 }))
    // Polls only when told, so that a test decides what a server has heard of.
    const epoch = stack.use(await watchEpoch({ database: deaf(store.database), log: silentLog, pollMs: 3_600_000 }))
    const sessions = await openSessions({ ...common, audit, epoch, keyring, issuer, ...parts })
    return { sessions, audit, epoch }
  }
  const first = await another()
  const purposes: TestSessions["purposes"] = async (session, actions = details) => {
    const part = first.sessions.parse({
      purposes: { "answer-questions": { description: "Answer questions", actions, session } },
    })
    await first.audit.commit(first.sessions.replace(part, "spiffe://example.org/operator/olga"))
    await first.epoch.refresh()
  }
  await purposes({})
  const { entries: before } = await first.audit.entries({})

  return {
    ...first,
    store,
    another,
    purposes,
    async open(caller = agent(), more = {}) {
      const opening = { caller, purpose: "answer-questions", purposes: ["answer-questions"], ceiling: details, ...more }
      return (await first.audit.commit(first.sessions.open(opening))).result
    },
    async delegation(more = {}) {
      const seen = { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: { customer: ["1001"] } }
      const { result: user } = await first.audit.commit(first.sessions.rememberUser(seen, "server"))
      const by = { kind: "consent", consent: newId("consent"), textDigest: "digest-of-the-text" } as const
      const granted = { details: parseDetails(details), requestText: null, parameters: {}, providerSession: null }
      return { user, application: "shop-web", ...granted, by, ...more }
    },
    async age(id, seconds) {
      await store.owner.query(
        `update sessions.sessions set opened_at = opened_at - make_interval(secs => $2),
           expires_at = expires_at - make_interval(secs => $2), hard_end_at = hard_end_at - make_interval(secs => $2),
           last_used_at = last_used_at - make_interval(secs => $2) where id = $1`,
        [id, seconds],
      )
    },
    ownKey: async () => (await readKeys(store.database, keyring, "token"))[0]!,
    async entries() {
      const { entries } = await first.audit.entries({ from: before.length })
      return entries.map(({ leaf }) => ({ event: leaf.event, by: leaf.by, data: leaf.data }))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The database without notices. */
function deaf(database: TestDatabase["database"]): TestDatabase["database"] {
  return { ...database, listen: async () => ({ async [Symbol.asyncDispose]() {} }) }
}

/** An id that no session has. */
export function nobody(): Id<"session"> {
  return newId("session")
}
