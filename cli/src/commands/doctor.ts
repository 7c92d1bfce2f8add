import { existsSync } from "node:fs"
import { join } from "node:path"
import { openTransport, peerOf } from "@safeconduct/sdk"
import type { Command } from "commander"
import { remote, styleOf } from "../command.ts"
import { CommandError, exits } from "../exit.ts"
import { findHome } from "../home.ts"
import { findOperator, type RemoteOptions } from "../operator.ts"
import { printRows, say, withProgress } from "../output.ts"
import { loadPrograms } from "../programs.ts"

/** One thing that was looked at: what was found, and what to do when it is not well. */
type Diagnosis = { what: string; isWell: boolean; found: string; fix: string | null }

type Resource = { name: string; username: string | null; problem: string | null }

/** Says what is wrong here and what to do about it. */
export function addDoctor(program: Command): void {
  remote(program, "doctor", "Look for what is wrong, and say what to do", [
    "safeconduct doctor",
    "safeconduct doctor --json",
  ]).action(async (options: RemoteOptions, command: Command) => {
    const found = await withProgress("Looking", () => examine(options))
    printRows(
      found.map((each) => ({ ...each, status: each.isWell ? "ok" : "problem" })),
      ["what", "status", "found", "fix"],
      styleOf(command),
    )
    const ill = found.filter(({ isWell }) => !isWell).length
    if (ill > 0) throw new CommandError(exits.failed, "unwell", `${ill} of ${found.length} checks found a problem.`)
    say("All is well.")
  })
}

async function examine(options: RemoteOptions): Promise<Diagnosis[]> {
  const here = [
    await look("login", 'Log in: "safeconduct login --url <url>" with a join token.', async () => {
      const { spiffeId, notAfterMs } = await findOperator(options)
      return `${spiffeId}, until ${new Date(notAfterMs).toISOString()}`
    }),
    await look("server", "Check the URL, the network, and the server's own doctor.", () => callServer(options)),
    await look("resources", "Do what it says; the server tries again by itself.", () => askForResources(options)),
  ]
  const folder = findHome()
  // The server's own needs only matter where one is meant to run.
  const isServerHere = existsSync(join(folder, "keys")) || process.env["DATABASE_URL"] !== undefined
  if (!isServerHere) return here
  const { diagnose } = await loadPrograms()
  return [...here, ...(await diagnose({ folder }))]
}

async function askForResources(options: RemoteOptions): Promise<string> {
  using transport = openTransport(peerOf(await findOperator(options)))
  const path = "/v1/credentials/resources"
  const { resources } = await transport.json<{ resources: Resource[] }>({ method: "GET", path, maxAttempts: 1 })
  const ill = resources.flatMap(({ name, username, problem }) => {
    if (username === null) return [`${name}: no account is set; "safeconduct credentials postgres configure ${name}"`]
    return problem === null ? [] : [`${name}: ${problem}`]
  })
  if (ill.length > 0) throw new Error(ill.join("; "))
  return resources.map(({ name }) => name).join(", ") || "none in force"
}

async function callServer(options: RemoteOptions): Promise<string> {
  using transport = openTransport(peerOf(await findOperator(options)))
  const startedMs = Date.now()
  await transport.json({ method: "GET", path: "/v1/agents", maxAttempts: 1, timeoutMs: 5_000 })
  const skewMs = Math.abs(transport.skewMs)
  if (skewMs > 0)
    throw new Error(`this machine's clock is ${Math.round(skewMs / 1000)} s off the server's; set it right`)
  return `${transport.peer.url} answered in ${Date.now() - startedMs} ms`
}

async function look(what: string, fix: string, work: () => Promise<string>): Promise<Diagnosis> {
  try {
    return { what, isWell: true, found: await work(), fix: null }
  } catch (error) {
    return { what, isWell: false, found: (error as Error).message, fix }
  }
}
