import { existsSync } from "node:fs"
import { join } from "node:path"
import { styleText } from "node:util"
import { type Identity, openTransport, peerOf } from "@safeconduct/sdk"
import type { Command } from "commander"
import { remote, styleOf } from "../command.ts"
import { CommandError, exits } from "../exit.ts"
import { findHome } from "../home.ts"
import { findOperator, type RemoteOptions } from "../operator.ts"
import { printRows, type Style, say, withProgress, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"

/** One thing that was looked at: what was found, and what to do when it is not well. */
type Diagnosis = { what: string; isWell: boolean; found: string; fix: string | null }

type Resource = { name: string; limits: { leases: number }; username: string | null; problem: string | null }

/** Says what is wrong here and what to do about it. */
export function addDoctor(program: Command): void {
  remote(program, "doctor", "Look for what is wrong, and say what to do", [
    "safeconduct doctor",
    "safeconduct doctor --json",
  ]).action(async (options: RemoteOptions, command: Command) => {
    const found = await withProgress("Looking", () => examine(options))
    printFound(found, styleOf(command))
    const problems = found.filter(({ isWell }) => !isWell).length
    if (problems > 0)
      throw new CommandError(exits.failed, "unwell", `${problems} of ${found.length} checks found a problem.`)
    say("All is well.")
  })
}

/** Columns for programs; for a person a line each, and what to do beneath what is ill. */
function printFound(found: readonly Diagnosis[], style: Style): void {
  if (style.isJson || !process.stdout.isTTY) {
    const rows = found.map((each) => ({ ...each, status: each.isWell ? "ok" : "problem" }))
    printRows(rows, ["what", "status", "found", "fix"], style)
    return
  }
  for (const { what, isWell, found: words, fix } of found) {
    const status = isWell ? "ok     " : styleText("red", "problem", { stream: process.stdout })
    writeOut(`${status}  ${what}: ${words}`)
    if (!isWell) writeOut(`         ${fix}`)
  }
}

async function examine(options: RemoteOptions): Promise<Diagnosis[]> {
  const folder = findHome()
  // The server's own needs only matter where one is meant to run.
  const isServerHere = existsSync(join(folder, "keys")) || process.env["DATABASE_URL"] !== undefined
  const login = await lookAtLogin(options, isServerHere)
  const there =
    login.identity === null ? [] : [await lookAtServer(login.identity), await lookAtResources(login.identity)]
  if (!isServerHere) return [login.diagnosis, ...there]
  const { diagnose } = await loadPrograms()
  const ownFolder = process.env["SAFECONDUCT_FOLDER"] ? {} : { folder }
  return [login.diagnosis, ...there, ...(await diagnose(ownFolder))]
}

/** A server's host needs nobody who is logged in. */
async function lookAtLogin(options: RemoteOptions, isServerHere: boolean) {
  try {
    const identity = await findOperator(options)
    const found = `${identity.spiffeId}, until ${new Date(identity.notAfterMs).toISOString()}`
    return { identity, diagnosis: well("login", found) }
  } catch (error) {
    if (isServerHere && options.identity === undefined && (error as CommandError).code === "identity-missing") {
      const found = "nobody, which a server does not need; whoever is logged in sees the resources as well"
      return { identity: null, diagnosis: well("login", found) }
    }
    return {
      identity: null,
      diagnosis: ill("login", error, 'Log in: "safeconduct login --url <url>" with a join token.'),
    }
  }
}

function lookAtServer(identity: Identity): Promise<Diagnosis> {
  return look("server", "Check the URL, the network, and the server's own doctor.", () => callServer(identity))
}

function lookAtResources(identity: Identity): Promise<Diagnosis> {
  return look("resources", "Do what it says; the server tries again by itself.", () => askForResources(identity))
}

async function askForResources(identity: Identity): Promise<string> {
  using transport = openTransport(peerOf(identity))
  const path = "/v1/credentials/resources"
  const { resources } = await transport.json<{ resources: Resource[] }>({ method: "GET", path, maxAttempts: 1 })
  const ill = resources.flatMap(({ name, limits, username, problem }) => {
    // A resource of tools: no credential is made for it, and no account held there.
    if (limits.leases === 0) return []
    if (username === null) return [`${name}: no account is set; "safeconduct credentials postgres configure ${name}"`]
    return problem === null ? [] : [`${name}: ${problem}`]
  })
  if (ill.length > 0) throw new Error(ill.join("; "))
  return resources.map(({ name }) => name).join(", ") || "none in force"
}

async function callServer(identity: Identity): Promise<string> {
  using transport = openTransport(peerOf(identity))
  const startedMs = Date.now()
  await transport.json({ method: "GET", path: "/v1/agents", maxAttempts: 1, timeoutMs: 5_000 })
  const skewMs = Math.abs(transport.skewMs)
  if (skewMs > 0)
    throw new Error(`this machine's clock is ${Math.round(skewMs / 1000)} s off the server's; set it right`)
  return `${transport.peer.url} answered in ${Date.now() - startedMs} ms`
}

async function look(what: string, fix: string, work: () => Promise<string>): Promise<Diagnosis> {
  try {
    return well(what, await work())
  } catch (error) {
    return ill(what, error, fix)
  }
}

function well(what: string, found: string): Diagnosis {
  return { what, isWell: true, found, fix: null }
}

function ill(what: string, error: unknown, fix: string): Diagnosis {
  return { what, isWell: false, found: (error as Error).message, fix }
}
