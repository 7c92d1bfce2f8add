/**
 * The log of a real server, grown by real operations and copied out as its operator would: what a third party's verifier
 * and our own are then tried on.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { connect, type Session } from "@safeconduct/sdk"
import { openCheckpoint, parseNoteSigner, parseNoteVerifier } from "@safeconduct/tlog"
import { workplace } from "../cli/src/testing/run.ts"
import { type Deployment, deploy } from "../sdk/src/testing/deployment.ts"

/** What came out, as files in one folder. */
export type RealLog = {
  /** The log, exported by `safeconduct audit export`. */
  folder: string
  /** File with the public key. */
  key: string
  /** File with a checkpoint that was fetched at about two thirds of the growth. */
  older: string
  /** Receipts of entries all over the log: as the server answers them, and as `audit receipt` writes them, entry included. */
  receipts: string[]
  size: number
  /** What only the server's host has: for playing its thief. */
  signer: Awaited<ReturnType<typeof parseNoteSigner>>
}

/** Asking at once, from several sessions: what the SDK keeps connections for. */
const SESSIONS = 8
const IN_FLIGHT = 64

/** Starts a server, lets an agent work until its log has `entries`, and copies it into `to`. Nothing runs afterwards. */
export async function growLog(to: string, entries: number): Promise<RealLog> {
  await using deployment = await deploy()
  const { server } = deployment
  const paths = { folder: join(to, "log"), key: join(to, "log.vkey"), older: join(to, "older") }
  await mkdir(to, { recursive: true })
  await writeFile(paths.key, `${server.logKey}\n`)
  await using agent = await connect({
    url: server.agentsUrl,
    joinToken: await deployment.joinToken(),
    folder: join(deployment.folder, "agent"),
  })
  const sessions = await Promise.all(
    Array.from({ length: SESSIONS }, () => agent.open({ purpose: "answer-questions" })),
  )
  for (const session of sessions) await borrow(session)
  await growTo(deployment, sessions, Math.floor((entries * 2) / 3))
  await writeFile(paths.older, await newestCheckpoint(deployment))
  await growTo(deployment, sessions, entries)
  const receipts = await saveReceipts(deployment, to, entries)
  await runCommand(deployment, ["audit", "export", paths.folder])
  const { size } = await openCheckpoint(
    await readFile(join(paths.folder, "checkpoint")),
    parseNoteVerifier(server.logKey),
  )
  const signer = await parseNoteSigner((await readFile(server.configuration.logKeyFile, "utf8")).trim())
  return { ...paths, receipts, size, signer }
}

/** A credential, given back at once: the entries of a whole lease. */
async function borrow(session: Session): Promise<void> {
  await using _kb = await session.lease("kb", { operation: "read" })
}

/** Actions that are all denied: one entry each, and nothing at the resource. */
async function growTo(deployment: Deployment, sessions: Session[], size: number): Promise<void> {
  for (;;) {
    const missing = size - (await sizeOf(deployment))
    if (missing <= 0) return
    let asked = 0
    const ask = async () => {
      while (asked < missing) {
        const number = asked++
        const operation = number % 2 === 0 ? "write" : "read"
        const resource = number % 3 === 0 ? "payroll" : "kb"
        const type = operation === "write" || resource === "payroll" ? "credential" : "tool"
        const session = sessions[number % sessions.length]!
        const { verdict } = await session.act({ type, resource, operation, arguments: { number } })
        if (verdict !== "deny") throw new Error(`${type}:${operation} on ${resource} was not denied`)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, ask))
  }
}

async function sizeOf(deployment: Deployment): Promise<number> {
  const { size } = await openCheckpoint(await newestCheckpoint(deployment), parseNoteVerifier(deployment.server.logKey))
  return size
}

async function newestCheckpoint({ operator }: Deployment): Promise<string> {
  return (await operator.send({ method: "GET", path: "/log/checkpoint" })).bytes.toString("utf8")
}

/** Of the first entry, one in the middle and the newest. */
async function saveReceipts(deployment: Deployment, to: string, entries: number): Promise<string[]> {
  const { operator } = deployment
  const files: string[] = []
  for (const index of [0, Math.floor(entries / 2), entries - 1]) {
    const query = `from=${index}&limit=1`
    const [entry] = (
      await operator.json<{ entries: { id: string }[] }>({ method: "GET", path: `/v1/audit/entries?${query}` })
    ).entries
    const path = `/v1/audit/receipts/${entry!.id}`
    const bare = join(to, `${index}.tlog-proof`)
    await writeFile(bare, (await operator.send({ method: "GET", path })).bytes)
    const whole = join(to, `${index}-with-entry.tlog-proof`)
    await runCommand(deployment, ["audit", "receipt", entry!.id, "--out", whole])
    files.push(bare, whole)
  }
  return files
}

/** The command line, as the operator. */
async function runCommand(deployment: Deployment, args: string[]): Promise<void> {
  using place = workplace()
  const { code, stderr } = await place.run([...args, "--identity", join(deployment.folder, "operator")])
  if (code !== 0) throw new Error(`safeconduct ${args.join(" ")} exited with ${code}: ${stderr}`)
}
