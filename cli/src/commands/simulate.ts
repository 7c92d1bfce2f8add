import type { Transport } from "@safeconduct/sdk"
import type { Simulated } from "@safeconduct/server/programs"
import type { Command } from "commander"
import { atServer, queryOf, remote, styleOf } from "../command.ts"
import { usage } from "../exit.ts"
import { printRow, printRows, say } from "../output.ts"
import { loadPrograms } from "../programs.ts"

type SimulateOptions = { config: string; from: string; to?: string }
type Period = { fromMs: number; toMs: number }
type Page = { entries: { index: number; leaf: { at: string } }[]; next: number | null; size: number }

const COLUMNS = ["count", "agent", "purpose", "action", "resource", "operation", "was", "wouldBe", "by", "reasons"]
const PAGE = 256
/** Servers whose clocks differ write entries slightly out of order of time; one that is further off is not ready. */
const SLACK_MS = 10_000

/** Replays what was decided in a period against another configuration. */
export function addSimulate(policy: Command): void {
  remote(policy, "simulate", "Replay the decisions of a period under a changed configuration; nothing is changed", [
    "safeconduct policy simulate --config changed.yaml --from 2026-01-01T00:00:00Z",
    "safeconduct policy simulate --config changed.yaml --from 2026-01-01 --to 2026-01-08 --json",
  ])
    .requiredOption("--config <file>", "the changed configuration")
    .requiredOption("--from <time>", "the beginning, as 2026-01-01 or 2026-01-01T12:00:00Z")
    .option("--to <time>", "the end; now unless told")
    .action(async ({ config, from, to }: SimulateOptions, command: Command) => {
      const { DECISIONS, readRehearsal, simulate } = await loadPrograms()
      const rehearsal = readRehearsal(config)
      const period = { fromMs: timeOf(from, "--from"), toMs: to === undefined ? Date.now() : timeOf(to, "--to") }
      if (period.toMs <= period.fromMs) throw usage("--to must be later than --from.")
      const leaves = await atServer(command, "Reading the record", (server) => readPeriod(server, DECISIONS, period))
      printSimulated(simulate(rehearsal, leaves), command)
    })
}

function printSimulated({ replayed, same, changed, notReplayed }: Simulated, command: Command): void {
  const style = styleOf(command)
  if (style.isJson) printRow({ replayed, same, changed, notReplayed }, style)
  else printRows(changed, COLUMNS, style)
  say(`${replayed} decisions replayed: ${same} stay, ${replayed - same} would change.`)
  for (const { count, reason } of notReplayed) say(`${count} not replayed: ${reason}.`)
  say(
    "Replayed as for sessions opened under the changed configuration; what agents would then have asked is not known.",
  )
}

/** Entries of these events that were written in the period. */
export async function readPeriod(
  server: Transport,
  events: readonly string[],
  { fromMs, toMs }: Period,
): Promise<unknown[]> {
  const start = await firstAfter(server, fromMs - SLACK_MS)
  const leaves: { at: string }[] = []
  for (const event of events) {
    for (let next: number | null = start; next !== null; ) {
      const page: Page = await readPage(server, { from: String(next), limit: String(PAGE), event })
      leaves.push(...page.entries.map(({ leaf }) => leaf))
      const last = page.entries.at(-1)
      next = last !== undefined && Date.parse(last.leaf.at) > toMs + SLACK_MS ? null : page.next
    }
  }
  return leaves.filter(({ at }) => Date.parse(at) >= fromMs && Date.parse(at) < toMs)
}

/** Index of the first entry that was written at that time or later, by halving. */
async function firstAfter(server: Transport, atMs: number): Promise<number> {
  let { size: high } = await readPage(server, { from: "0", limit: "1" })
  let low = 0
  while (low < high) {
    const middle = (low + high) >> 1
    const { entries } = await readPage(server, { from: String(middle), limit: "1" })
    const at = entries[0]?.leaf.at
    if (at !== undefined && Date.parse(at) < atMs) low = middle + 1
    else high = middle
  }
  return low
}

function readPage(server: Transport, query: Record<string, string>): Promise<Page> {
  return server.json<Page>({ method: "GET", path: `/v1/audit/entries${queryOf(query)}` })
}

function timeOf(text: string, option: string): number {
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
  const time = isTime ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw usage(`${option} is a time such as 2026-01-01 or 2026-01-01T12:00:00Z.`)
  return time
}
