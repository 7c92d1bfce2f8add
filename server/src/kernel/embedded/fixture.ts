import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { removePostgres } from "#kernel"
import { fillFromTemplate } from "#testing"

/** A folder for one test; whatever cluster is left in it ends with it. */
export async function scratchFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = mkdtempSync(join(tmpdir(), "safeconduct-embedded-"))
  chmodSync(path, 0o755)
  return {
    path,
    async [Symbol.asyncDispose]() {
      chmodSync(path, 0o755)
      for (const name of [...readdirSync(path), "deep/er", ""])
        await removePostgres(join(path, name)).catch(() => undefined)
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** A scratch folder with a stopped cluster in it. */
export async function scratchCluster(): Promise<{ path: string } & AsyncDisposable> {
  const scratch = await scratchFolder()
  await fillFromTemplate(scratch.path)
  return scratch
}

/** A cluster that another process owns. */
export type Elsewhere = {
  superuserUrl: string
  /** Process id of its PostgreSQL. */
  postmaster: number
  /** kill -9 of the process that owns it. */
  kill(): Promise<void>
}

const PROGRAM = `
  import { startPostgres, silentLog } from "#kernel"
  const { superuserUrl, pid } = await startPostgres({ folder: process.argv[1], isThrowaway: true, log: silentLog })
  console.log(JSON.stringify({ superuserUrl, postmaster: pid }))
  setInterval(() => undefined, 60_000)
`

/** Starts a throwaway cluster in another process. Rejects with what that printed; null when it could not even begin. */
export async function startElsewhere(
  folder: string,
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Elsewhere | null> {
  const child = run(PROGRAM, [folder], options)
  let errors = ""
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString()
  })
  // A Node that the other user cannot reach is no child at all.
  const closed = once(child, "close").catch((error: Error) => {
    errors += error.message
  })
  const line = await firstLine(child.stdout)
  if (line === null) {
    await closed
    if (/permission denied|EACCES|Cannot find/i.test(errors) && !/Refusal/.test(errors)) return null
    throw new Error(errors)
  }
  return {
    ...(JSON.parse(line) as { superuserUrl: string; postmaster: number }),
    async kill() {
      child.kill("SIGKILL")
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    },
  }
}

/** Runs a module's text in a Node process of its own, where #kernel is ours. */
export function run(
  program: string,
  args: string[],
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
) {
  return spawn(process.execPath, ["--conditions=source", "--input-type=module", "--eval", program, ...args], {
    cwd: fileURLToPath(new URL("../../../", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
  })
}

/** The first line that a stream brings; null when it ends before. */
export async function firstLine(stream: NodeJS.ReadableStream): Promise<string | null> {
  for await (const line of createInterface(stream)) return line
  return null
}
