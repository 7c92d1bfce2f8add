import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"

/** The command as it is started in the clone. */
export const BIN = fileURLToPath(new URL("../../bin/safeconduct.js", import.meta.url))

/** What a command printed, and its exit status. */
export type Ran = { code: number | null; stdout: string; stderr: string; rows: Record<string, unknown>[] }

/** A folder of a test's own, and the command run in it: no terminal, no variables but those given. */
export function workplace(variables: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-cli-"))
  const env = { PATH: process.env["PATH"], SAFECONDUCT_HOME: join(folder, ".safeconduct"), ...variables }
  return {
    folder,
    env,
    /** Runs to the end; `input` is standard input. `rows` are the lines of standard output that are JSON. */
    async run(
      args: readonly string[],
      { input = "", env: more = {} }: { input?: string; env?: object } = {},
    ): Promise<Ran> {
      const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, env: { ...env, ...more } })
      child.stdin.on("error", () => undefined)
      child.stdin.end(input)
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
      const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
      const rows = stdout.split("\n").filter((line) => line.startsWith("{"))
      return { code, stdout, stderr, rows: rows.map((line) => JSON.parse(line) as Record<string, unknown>) }
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
