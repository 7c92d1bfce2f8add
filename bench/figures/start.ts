import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { connect, loadIdentity, openTransport, peerOf } from "@safeconduct/sdk"
import { STARTER } from "../../cli/src/commands/init.ts"
import { BIN } from "../../cli/src/testing/run.ts"
import { removePostgres } from "../../server/src/kernel/index.ts"
import type { Aim, Figure } from "../figure.ts"
import { progress, show, showSpread, spreadOf } from "../measure.ts"

const PORTS = ["--agents-address", "--web-address", "--ops-address"].flatMap((flag) => [flag, "127.0.0.1:0"])
/** Denied by the starter's policy, and recorded: a decision. */
const ACTION = { type: "tool", resource: "kb", operation: "search" } as const

/** From the command to the first decision, on a machine that has never run it and on one that has. */
export const start: Figure = {
  name: "start",
  title: "dev to the first decision",
  what: `\`safeconduct dev --file safeconduct.yaml\` in the clone, from the start of its process until an agent of its own has its first
recorded decision. Cold: an empty folder, so PostgreSQL makes its data, the authority its keys, and the agent enrols. Warm: the same folder
again. Floor: a Node process that loads the same programs and ends.`,
  async measure(pace) {
    const [cold, warm, floor]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < pace.rounds; round++) {
      progress(`start: round ${round + 1} of ${pace.rounds}`)
      const folder = await mkdtemp(join(tmpdir(), "safeconduct-bench-"))
      try {
        await writeStarter(folder)
        cold.push(await firstDecision(folder))
        warm.push(await firstDecision(folder))
        floor.push(await ended(run(folder, ["dev", "--help"])))
      } finally {
        await removePostgres(join(folder, ".safeconduct", "postgres"))
        await rm(folder, { recursive: true, force: true })
      }
    }
    const row = (what: string, values: number[]) => [what, showSpread(spreadOf(values))]
    return {
      columns: ["start", "ms"],
      rows: [row("cold", cold), row("warm", warm), row("floor: the command's help", floor)],
      aims: [aimOf("cold within 5 s", cold, 5_000), aimOf("warm within 2 s", warm, 2_000)],
    }
  },
}

function aimOf(aim: string, values: number[], mostMs: number): Aim {
  const { median } = spreadOf(values)
  return { aim, value: `${show(median)} ms`, isReached: median <= mostMs }
}

async function writeStarter(folder: string): Promise<void> {
  for (const [path, text] of Object.entries(STARTER)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
}

async function firstDecision(folder: string): Promise<number> {
  const began = performance.now()
  const child = run(folder, ["dev", "--json", "--file", "safeconduct.yaml", ...PORTS])
  try {
    for await (const line of createInterface(child.stdout!)) {
      if (!line.startsWith("{")) continue
      await decide(folder, (JSON.parse(line) as { agentsUrl: string }).agentsUrl)
      return performance.now() - began
    }
    throw new Error("dev ended before it served")
  } finally {
    const gone = ended(child)
    child.kill("SIGTERM")
    await gone
  }
}

async function decide(folder: string, url: string): Promise<void> {
  const identity = join(folder, "agent")
  const joinToken = (await loadIdentity(identity)) === null ? await newJoinToken(folder, url) : undefined
  await using agent = await connect({ url, folder: identity, ...(joinToken !== undefined && { joinToken }) })
  await using session = await agent.open({ purpose: "answer-questions" })
  await session.act(ACTION)
}

async function newJoinToken(folder: string, url: string): Promise<string> {
  const identity = (await loadIdentity(join(folder, ".safeconduct", "operator")))!
  using operator = openTransport({ ...peerOf(identity), url })
  const path = "/v1/agents/support-bot/join-tokens"
  return (await operator.json<{ token: string }>({ method: "POST", path })).token
}

function run(cwd: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], SAFECONDUCT_HOME: join(cwd, ".safeconduct") },
    stdio: ["ignore", "pipe", "ignore"],
  })
}

/** Milliseconds until the process is gone. */
async function ended(child: ChildProcess): Promise<number> {
  const began = performance.now()
  child.stdout!.resume()
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once("exit", resolve))
  return performance.now() - began
}
