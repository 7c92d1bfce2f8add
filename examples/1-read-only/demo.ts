/**
 * Use case 1, told as it happens, on real parts: a server with its own PostgreSQL, a second PostgreSQL as the bot's
 * knowledge base, an operator and a bot with keys of their own, mutual TLS between them, and a proof that is checked offline.
 *
 *     node --conditions=source examples/1-read-only/demo.ts
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { enrol, openTransport, peerOf } from "@safeconduct/sdk"
import { applyPrepare, createLog, dev, readDocument, removePostgres, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"
import { detail, heading, line, revokedEntries, say, seconds, timed, verifyReceipts } from "../telling.ts"

type Step = { step: string; ms: number; [fact: string]: unknown }

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const startedAt = performance.now()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-demo-"))
const log = createLog({ level: "error" })

say("Safeconduct, use case 1: a read-only bot. No user, no shared key, no service account.\n")
await using stack = new AsyncDisposableStack()
stack.defer(async () => {
  // A folder that an unprivileged PostgreSQL cannot reach has its data elsewhere; that goes too.
  await Promise.all(["postgres", "kb"].map((name) => removePostgres(join(folder, name))))
  rmSync(folder, { recursive: true, force: true })
})

heading("Setting up (what an operator does once)")
const base = stack.use(
  await timed("knowledge base started, a second PostgreSQL", () => startPostgres({ folder: join(folder, "kb"), log })),
)
const server = stack.use(
  await timed("server started on its own PostgreSQL", () =>
    dev({ folder, flags: { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }, log }),
  ),
)
const operator = stack.use(
  await timed("operator enrolled with the first join token", async () => {
    const joinToken = server.operatorJoinToken!
    return openTransport(peerOf(await enrol({ url: server.agentsUrl, joinToken, folder: join(folder, "operator") })))
  }),
)
await timed("knowledge base prepared, its account handed over, its password rotated", () => prepareKnowledgeBase())

heading("The bot's day")
const token = await operator.json<{ token: string }>({ method: "POST", path: "/v1/agents/support-bot/join-tokens" })
const steps = await timed("the bot ran, as a process of its own, and is gone", () => runBot(token.token), true)
for (const step of steps) tellStep(step)

heading("What happened, provably")
await prove()

say(
  `\nDone in ${seconds(performance.now() - startedAt)}. Next: npx safeconduct dev, and docs/tutorials/first-lease.md.`,
)

async function prepareKnowledgeBase(): Promise<void> {
  await asOwner("postgres", "create database kb")
  await asOwner("kb", readFileSync(here("./kb.sql"), "utf8"))
  const root = await applyPrepare(
    adminUrl("kb"),
    { database: "kb", account: "safeconduct", groups: [{ role: "kb_read", schemas: ["public"] }] },
    log,
  )
  const document = readDocument(here("./safeconduct.yaml"))
  const resources = document.resources as { kb: { port: number } }
  resources.kb.port = base.port
  await operator.json({ method: "PUT", path: "/v1/policy", body: { document } })
  await operator.json({
    method: "PUT",
    path: "/v1/credentials/resources/kb/root",
    body: { username: root!.username, password: root!.password.reveal() },
  })
}

/** Starts the bot with nothing but a URL, a folder and a join token, and reads what it tells. */
async function runBot(joinToken: string): Promise<Step[]> {
  const bot = spawn(process.execPath, ["--conditions=source", here("./demo-bot.ts")], {
    env: {
      PATH: process.env.PATH,
      SAFECONDUCT_URL: server.agentsUrl,
      SAFECONDUCT_IDENTITY: join(folder, "support-bot"),
      SAFECONDUCT_JOIN_TOKEN: joinToken,
    },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const steps: Step[] = []
  for await (const line of createInterface({ input: bot.stdout })) steps.push(JSON.parse(line) as Step)
  const code = bot.exitCode ?? (await new Promise<number | null>((resolve) => bot.once("exit", resolve)))
  if (code !== 0) throw new Error(`the bot exited with ${code}`)
  return steps
}

function tellStep({ step, ms, ...facts }: Step): void {
  const said = (facts.said ?? null) as { code: string | null; message: string } | null
  const sentences: Record<string, string> = {
    identity: `identity: ${facts.spiffeId}, key made by the bot, certificate for an hour`,
    session: "session opened for the purpose answer-questions: mandate compiled and signed",
    lease: `allowed by policy, recorded, then made: role ${facts.user}`,
    connected: "connected to the knowledge base with it",
    answer: `"What are your business hours?"  →  ${facts.answer}`,
    beyond: `"select * from staff.salaries"  →  ${facts.said} (${facts.code})`,
    ended: "closing brace: role dropped, connections cut, session ended",
    afterwards: `the connection that was still open  →  ${said?.message ?? "STILL WORKS"} (${said?.code ?? "no code"})`,
  }
  line(ms, sentences[step] ?? step)
  if (step === "afterwards" && said === null) throw new Error("a live connection survived its session")
  if (step === "beyond" && facts.code !== "42501") throw new Error("the lease could read what it must not")
}

/** Fetches the entries of the session and their receipts, then verifies with the public key and nothing else. */
async function prove(): Promise<void> {
  const session = steps.find(({ step }) => step === "session")!.session as string
  const role = steps.find(({ step }) => step === "lease")!.user as string
  const entries = await timed("lease read back at the database and recorded as revoked", () =>
    revokedEntries(operator, session),
  )
  const [gone] = await asOwner("kb", "select count(*)::int as left from pg_roles where rolname = $1", [role])
  if (gone!.left !== 0) throw new Error("the role is still there")
  await verifyReceipts(operator, entries, server.logKey)
  for (const { index, leaf } of entries) detail(`#${index}  ${leaf.event}`)
  detail(`key  ${server.logKey}`)
}

async function asOwner(database: string, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: adminUrl(database) })
  await client.connect()
  try {
    return (await client.query(sql, values)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

function adminUrl(database: string): string {
  const url = new URL(base.superuserUrl)
  url.pathname = `/${database}`
  return url.href
}
