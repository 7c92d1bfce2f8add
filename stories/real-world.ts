import type { EventEmitter } from "node:events"
import {
  type AuthorizationDetail,
  type Call,
  DeniedError,
  type Lease,
  type Safeconduct,
  SafeconductError,
  type Session,
} from "@safeconduct/sdk"
import { leafHash, parseNoteVerifier, verifyProof } from "@safeconduct/tlog"
import pg from "pg"
import { plain } from "../examples/2-personalized/person.ts"
import type { House } from "./house.ts"
import { forged, knock, stolen } from "./thief.ts"
import type { Outcome, World } from "./world.ts"

/** A world for one story: agents are enrolled anew, and the log is read from where it stood at the beginning. */
export async function openWorld(house: House): Promise<World> {
  const { operator, agentsUrl } = house
  const agents = new Map<string, Safeconduct>()
  const connections = new Map<string, pg.Client>()
  const accounts: string[] = []
  const suspended = new Set<string>()
  const sessions = new Set<string>()
  let session: Session | undefined
  let acting: Safeconduct | undefined
  let approval: string | undefined
  let lease: Lease | undefined
  const { size: from } = await operator.json<Entries>({ method: "GET", path: "/v1/audit/entries?limit=1" })

  const agentOf = async (name: string): Promise<Safeconduct> => {
    const agent = agents.get(name) ?? (await house.enrolled(name))
    agents.set(name, agent)
    return agent
  }
  const forget = async () => {
    await Promise.all([...connections.values()].map((client) => client.end().catch(() => undefined)))
    connections.clear()
  }
  const taken = async (opened: Session, agent: Safeconduct) => {
    session = opened
    acting = agent
    sessions.add(opened.id)
    await forget()
    return opened.id
  }
  const asOperator = (call: Call) => outcomeOf(async () => text(await operator.json(call)))
  const resume = (name: string) => {
    suspended.delete(name)
    return asOperator({ method: "DELETE", path: `/v1/agents/${name}/suspension`, body: { reason: "a story" } })
  }

  return {
    session: (name, purpose, seconds, delegated) =>
      outcomeOf(async () => {
        const agent = await agentOf(name)
        if (delegated !== null && seconds !== null)
          throw new Error("how long a user delegates for, they say themselves")
        const opened =
          delegated === null
            ? await agent.open({ purpose, ...(seconds === null ? {} : { hardEndSeconds: seconds }) })
            : await had(house.sessionFor, "house with users")(delegated, agent, purpose)
        return await taken(opened, agent)
      }),
    tool: ({ resource, operation, arguments: given }, { said: justification, isApproved }) =>
      outcomeOf(async () => {
        const action = { type: "tool", resource, operation, arguments: given }
        const beside = isApproved
          ? { approval: had(approval, "approval") }
          : justification === null
            ? {}
            : { justification }
        const body = { session: had(session, "session").id, action, ...beside }
        const answer = await had(acting, "session").transport.json<Answered>({
          method: "POST",
          path: "/v1/actions",
          body,
        })
        const { verdict, reasons, approval: waiting } = answer
        if (verdict === "allow") return text(answer)
        approval = waiting?.id ?? approval
        throw new DeniedError(verdict === "ask" ? ASKED : "denied-by-policy", reasons)
      }),
    async approve(person, isDenied) {
      const phone = await had(house.phone, "house where people are asked")(person)
      const id = had(approval, "request for approval")
      const { html } = await phone.card(id)
      const said = isDenied ? await phone.decide(await phone.card(id), { decision: "deny" }) : await phone.approve(id)
      const [main = said.text] = /<main\b[\s\S]*<\/main>/.exec(said.code === null ? html : said.text) ?? []
      const seen = plain(main)
      return said.code === null ? { kind: "allowed", text: seen } : { kind: "refused", code: said.code, text: seen }
    },
    delegate: (purpose, { type, resource, operation }, name) =>
      outcomeOf(async () => {
        const actions = [`${type}:${operation}`]
        const authorizationDetails: AuthorizationDetail[] = [
          { type: "safeconduct_action", actions, locations: [resource] },
        ]
        const other = await agentOf(name)
        const { delegation } = await had(session, "session").delegate({ agent: name, purpose, authorizationDetails })
        return await taken(await other.open({ delegation }), other)
      }),
    lease: (resource, operation, values) =>
      outcomeOf(async () => {
        lease = await had(session, "session").lease(resource, { operation, arguments: values })
        accounts.push(lease.settings.user)
        await forget()
        return lease.settings.user
      }),
    login: () =>
      outcomeOf(async () => {
        const client = clientOf(had(lease, "lease"))
        await client.connect()
        await client.end()
        return "logged in"
      }),
    sql: (name, statement) =>
      outcomeOf(async () => {
        let client = connections.get(name)
        if (client === undefined) {
          client = clientOf(had(lease, "lease"))
          connections.set(name, client)
          await client.connect()
        }
        return await said(client, statement)
      }),
    async steal(name) {
      const { identity } = await agentOf(name)
      return await knock(agentsUrl, identity.bundle, { method: "GET", path: "/v1/sessions" }, stolen(identity))
    },
    async forge(name) {
      const { identity } = await agentOf(name)
      return await knock(agentsUrl, identity.bundle, { method: "GET", path: "/v1/sessions" }, forged(identity))
    },
    suspend(name) {
      suspended.add(name)
      return asOperator({ method: "POST", path: `/v1/agents/${name}/suspension`, body: { reason: "a story" } })
    },
    resume,
    async call(method, template, as, body) {
      const named = (words: string) => words.replace("{session}", session?.id ?? "").replace("{lease}", lease?.id ?? "")
      const sent = body === null ? {} : { body: JSON.parse(named(JSON.stringify(body))) as object }
      const call = { method: method as Call["method"], path: named(template), maxAttempts: 1, ...sent }
      if (as === "operator") return await asOperator(call)
      if (as === "nobody") return await knock(agentsUrl, operator.peer.bundle, call)
      const { transport } = await agentOf(as)
      return await outcomeOf(async () => text(await transport.json(call)))
    },
    end: () =>
      outcomeOf(() =>
        had(session, "session")
          .end()
          .then(() => "ended"),
      ),
    privateOf: (person) => house.privateOf?.(person) ?? [],
    async accounts() {
      const left = await house.owner.query<{ rolname: string }>(
        "select rolname from pg_roles where rolname = any ($1)",
        [accounts],
      )
      return left.rows.map(({ rolname }) => rolname)
    },
    async provenEvents() {
      const entries = await provenEntries(house, from)
      // What a story before this one left to be finished, and our own reading, are not of this story.
      const own = entries.filter(({ leaf }) => leaf.session === undefined || sessions.has(leaf.session))
      return own.map(({ leaf }) => leaf.event).filter((event) => event !== "audit.read")
    },
    async [Symbol.asyncDispose]() {
      await forget()
      for (const name of suspended) await resume(name)
      await Promise.all([...agents.values()].map((agent) => agent.close()))
    },
  }
}

type Answered = { verdict: string; reasons: string[]; approval?: { id: string } }

/** What the SDK calls an action that waits for somebody's approval. */
const ASKED = "approval-required"

type Entry = { id: string; text: string; leaf: { event: string; session?: string } }
type Entries = { entries: Entry[]; next: number | null; size: number }

/** Every receipt is checked with the public key alone, before anything that the entry says is believed. */
async function provenEntries({ operator, logKey }: House, from: number): Promise<Entry[]> {
  const verifier = parseNoteVerifier(logKey)
  const entries: Entry[] = []
  for (let next: number | null = from; next !== null; ) {
    const page: Entries = await operator.json<Entries>({
      method: "GET",
      path: `/v1/audit/entries?from=${next}&limit=100`,
    })
    for (const entry of page.entries) {
      const { bytes } = await operator.send({ method: "GET", path: `/v1/audit/receipts/${entry.id}` })
      await verifyProof(bytes.toString(), leafHash(Buffer.from(entry.text)), verifier)
      entries.push(entry)
    }
    next = page.next
  }
  return entries
}

/** What the statement gives, by every way that PostgreSQL says something: rows, a copy, and notices. */
async function said(client: pg.Client, statement: string): Promise<string> {
  const { connection } = client as unknown as { connection: EventEmitter }
  const told: string[] = []
  const onCopy = ({ chunk }: { chunk: Buffer }) => void told.push(chunk.toString())
  const onNotice = (notice: Words) => void told.push(wordsOf(notice))
  connection.on("copyData", onCopy)
  client.on("notice", onNotice)
  try {
    const answers = [await client.query(statement)].flat()
    return [...told, ...answers.map(({ rows }) => text(rows))].join("\n")
  } catch (error) {
    if (error instanceof pg.DatabaseError) error.detail = [error.detail, ...told].filter(Boolean).join("\n")
    throw error
  } finally {
    connection.off("copyData", onCopy)
    client.off("notice", onNotice)
  }
}

type Words = { [part in "message" | "detail" | "hint" | "where"]?: string | undefined }

/** All that an error or a notice of PostgreSQL says. */
function wordsOf({ message, detail, hint, where }: Words): string {
  return [message, detail, hint, where].filter(Boolean).join("\n")
}

/** An expected no as an outcome. Anything else is thrown: then the world is broken, not the story untrue. */
async function outcomeOf(work: () => Promise<string>): Promise<Outcome> {
  try {
    return { kind: "allowed", text: await work() }
  } catch (error) {
    if (error instanceof SafeconductError && error.code === ASKED) return { kind: "asked", text: error.message }
    if (error instanceof SafeconductError) return { kind: "refused", code: error.code, text: error.message }
    if (error instanceof pg.DatabaseError) return { kind: "failed", sqlState: error.code ?? null, text: wordsOf(error) }
    const isLost = error instanceof Error && /terminated|not queryable|ECONNRESET|EPIPE|closed/i.test(error.message)
    if (isLost) return { kind: "failed", sqlState: null, text: error.message }
    throw error
  }
}

function clientOf(lease: Lease): pg.Client {
  const client = new pg.Client(lease.settings)
  // A connection that is cut while nobody asks anything says so here.
  client.on("error", () => undefined)
  return client
}

function had<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the story has no ${what} yet`)
  return value
}

function text(value: unknown): string {
  return JSON.stringify(value)
}
