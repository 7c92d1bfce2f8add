import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Audit, Leaf } from "#audit"
import { events as auditEvents, migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { type Id, type Json, newId, silentLog, systemClock, watchEpoch } from "#kernel"
import { type TestDatabase, testDatabase, testKeyring } from "#testing"
import type { Approvals } from "./door.ts"
import { events, migrations, openApprovals } from "./index.ts"
import type { Approval, HeldAction, NewRequest, Person } from "./request.ts"
import type { Held } from "./requests.ts"
import { type Bounds, challengeOf, type Statement, statementOf } from "./statement.ts"

const origin = "example.org/log/1"

/** One server at the shared database. */
export type TestServer = { audit: Audit; approvals: Approvals }

/** The room for real, with the log beneath it and nothing above; `another` opens one more server. */
export interface TestApprovals extends AsyncDisposable, TestServer {
  store: TestDatabase
  another(): Promise<TestServer>
  /** Puts a part in force, with defaults for the rest. */
  configure(part: Json): Promise<void>
  /** Asks, as the gate does. */
  ask(asked?: Partial<NewRequest>, at?: TestServer): Promise<Held>
  /** Asks for what has to be made. Fails where nobody is asked. */
  held(asked?: Partial<NewRequest>, at?: TestServer): Promise<Approval>
  /** Says something of a request, proven by a passkey. */
  say(approval: Approval, person: Person, decision?: "approve" | "deny" | "report", at?: TestServer): Promise<Approval>
  /** Leaves of the log of that event. */
  entries(event: string): Promise<Leaf[]>
  /** Notices of that kind, for everybody. */
  notices(kind: string): Promise<string[]>
  /** Lets that many seconds pass for everything that was asked, said and given. */
  age(seconds: number): Promise<void>
}

/** Somebody with an account at the provider `hr`. */
export function person(sub: string): Person {
  return { id: newId("user"), provider: "hr", sub }
}

/** Whom requests of tests are for. */
export const alice = person("alice")

/** A request of the agent `bot` for Alice, to refund an order. */
export function request(more: Partial<NewRequest> = {}): NewRequest {
  const session = more.session ?? newId("session")
  return {
    agent: "bot",
    spiffeId: "spiffe://example.org/agent/bot",
    instance: "instance_1",
    confirmation: { jkt: "a-key" },
    session,
    root: session,
    purpose: "support",
    user: alice.id,
    application: null,
    chain: [],
    action: action({ amount: 10 }),
    policyVersion: "version",
    policies: ["ask-refunds"],
    requirements: [{ of: "user", rung: "sign", required: 1, members: null }],
    facts: facts(),
    entry: newId("entry"),
    ...more,
  }
}

/** What is asked about; no two are the same. */
export function action(given: { [name: string]: Json }, operation = "refund"): HeldAction {
  const id = newId("action")
  return { id, digest: `digest-${id}`, salt: "salt", type: "tool", resource: "bank", operation, arguments: given }
}

/** What a card would show; `more` replaces a part of it. */
export function facts(more: Partial<NewRequest["facts"]> = {}): NewRequest["facts"] {
  return {
    version: 1,
    templates: {},
    operation: { type: "tool", name: "refund", description: null },
    resource: { name: "bank", description: null },
    elevated: null,
    irreversible: false,
    agent: { name: "bot", description: "", owner: "owner@example.org" },
    through: [],
    application: null,
    purpose: { name: "support", description: "Support" },
    user: null,
    request: null,
    arguments: [],
    reasons: [],
    policies: ["ask-refunds"],
    leaseSeconds: null,
    before: 0,
    said: null,
    ...more,
  }
}

/** What a person signs, as the page would make it. */
export function signedBy(approval: Approval, { id }: Pick<Person, "id">, bounds: Bounds | null = null): Statement {
  const card = { version: "1", locale: "en", digest: "card" }
  return statementOf(approval, { issuer: "https://safeconduct.example", approver: id, card, bounds })!
}

/** A passkey's proof. That it verifies is for others to test. */
export function passkeyOver(statements: readonly Statement[]) {
  return { way: "passkey" as const, evidence: { challenge: challengeOf(statements).toString("base64url") } }
}

/** Opens the room on a database of its own. */
export async function openTestApprovals(): Promise<TestApprovals> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-approvals-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const owned = stack.move()
  const { database } = store
  const common = { database, clock: systemClock, log: silentLog, keyring: testKeyring() }

  const another = async (): Promise<TestServer> => {
    const signer = await openFileSigner(keyPath, origin)
    const all = { ...auditEvents, ...events }
    const audit = owned.use(await openAudit({ ...common, signer, origin, events: all, sweepMs: 3_600_000 }))
    const epoch = owned.use(await watchEpoch(common))
    const issuer = "https://safeconduct.example"
    return { audit, approvals: owned.use(await openApprovals({ ...common, audit, epoch, issuer })) }
  }
  const first = await another()
  const { audit, approvals } = first

  const ask: TestApprovals["ask"] = async (asked = {}, at = first) => {
    const tells = asked.user === null ? [] : [alice.id]
    return (await at.audit.commit(at.approvals.request(request(asked), tells))).result
  }
  return {
    ...first,
    store,
    another,
    ask,
    async configure(part) {
      const { result } = await audit.commit(approvals.replace(approvals.parse({ approvals: part }), "server"))
      while (result && JSON.stringify(approvals.part()) !== JSON.stringify(approvals.parse({ approvals: part }))) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async held(asked, at) {
      const { approval, refused } = await ask(asked, at)
      if (approval === null) throw new Error(`nobody is asked: ${refused.words}`)
      return approval
    },
    async say(approval, who, decision = "approve", at = first) {
      const statement = decision === "approve" ? signedBy(approval, who) : null
      const proven = statement === null ? { way: "session" as const, evidence: {} } : passkeyOver([statement])
      const said = { id: approval.id, person: who, decision, proven, statement }
      return (await at.audit.commit(at.approvals.decide(said))).result
    },
    async entries(event) {
      const rows = await store.owner.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where event = $1 order by index",
        [event],
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
    },
    async notices(kind) {
      const rows = await store.owner.query<{ user_id: Id<"user"> }>(
        "select user_id from approvals.notices where kind = $1 order by created_at",
        [kind],
      )
      return rows.map((row) => row.user_id)
    },
    async age(seconds) {
      for (const statement of [
        `update approvals.requests set requested_at = requested_at - make_interval(secs => $1),
           expires_at = expires_at - make_interval(secs => $1), decided_at = decided_at - make_interval(secs => $1),
           use_before = use_before - make_interval(secs => $1), used_at = used_at - make_interval(secs => $1)`,
        `update approvals.kinds set cooling_until = cooling_until - make_interval(secs => $1),
           asked_at = array(select at - make_interval(secs => $1) from unnest(asked_at) as at)`,
        "update approvals.grants set until = until - make_interval(secs => $1)",
      ]) {
        await store.owner.query(statement, [seconds])
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
