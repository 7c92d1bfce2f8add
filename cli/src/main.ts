/**
 * The command line: parses, runs one command, and turns what went wrong into a sentence on stderr and an exit status. A
 * command reads options, asks the server (as the operator, over the SDK's transport) or starts a program, and prints.
 * It decides nothing and holds no state but the folder of home.ts.
 */
import { readFileSync } from "node:fs"
import { CommanderError } from "commander"
import { exitOf, exits } from "./exit.ts"
import { complain, writeOut } from "./output.ts"
import { BEGINNING, createProgram } from "./program.ts"

/** Runs the command line; the exit status goes to `process.exitCode`. */
export async function run(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough (head, less) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
    process.exit(exits.ok)
  })
  if (argv.length === 0) {
    writeOut(BEGINNING)
    return
  }
  try {
    await createProgram(version()).parseAsync(argv, { from: "user" })
  } catch (error) {
    process.exitCode = exitOf(error)
    // Commander has said it already.
    if (!(error instanceof CommanderError)) report(error, argv.includes("--json"))
  }
}

function report(error: unknown, isJson: boolean): void {
  const {
    message = String(error),
    code,
    detail,
  } = (error ?? {}) as { message?: string; code?: unknown; detail?: unknown }
  if (isJson) {
    const body = { error: { code: typeof code === "string" ? code : "failed", message, detail } }
    process.stderr.write(`${JSON.stringify(body)}\n`)
    return
  }
  complain(message)
  if (process.env["SAFECONDUCT_DEBUG"]) process.stderr.write(`${(error as Error).stack}\n`)
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
  return manifest.version
}
