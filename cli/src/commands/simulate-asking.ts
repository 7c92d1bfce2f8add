import type { SimulatedAsking } from "@safeconduct/server/programs"
import type { Command } from "commander"
import { atServer, remote, styleOf } from "../command.ts"
import { printRow, printRows, say } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { hoursOf } from "./asked.ts"
import { readPeriod } from "./simulate.ts"

const COLUMNS = ["policy", "before", "after"]
const AGENT_COLUMNS = ["agent", "before", "after"]

/** Says what people would have been asked under another configuration. */
export function addSimulateAsking(approvals: Command): void {
  remote(approvals, "simulate", "Say how often people would have been asked under a changed configuration", [
    "safeconduct approvals simulate --config changed.yaml",
    "safeconduct approvals simulate --config changed.yaml --since 30d --json",
  ])
    .requiredOption("--config <file>", "the changed configuration")
    .option("--since <period>", "the last so many hours or days, such as 12h or 7d", "7d")
    .action(async ({ config, since }: { config: string; since: string }, command: Command) => {
      const { DECISIONS, readRehearsal, simulateAsking } = await loadPrograms()
      const rehearsal = readRehearsal(config)
      const toMs = Date.now()
      const period = { fromMs: toMs - hoursOf(since) * 3_600_000, toMs }
      const leaves = await atServer(command, "Reading the record", (server) => readPeriod(server, DECISIONS, period))
      printSimulated(simulateAsking(rehearsal, leaves), command)
    })
}

function printSimulated(simulated: SimulatedAsking, command: Command): void {
  const style = styleOf(command)
  const { replayed, before, after, underLeave, policies, agents, notReplayed } = simulated
  if (style.isJson) printRow(simulated, style)
  else {
    printRows(
      policies.map(({ policy, ...of }) => ({ policy: policy ?? "(nobody could verify it)", ...of })),
      COLUMNS,
      style,
    )
    printRows(agents, AGENT_COLUMNS, style)
  }
  say(`${replayed} decisions replayed: people were asked ${before} times, and would have been ${after} times.`)
  if (underLeave > 0) say(`${underLeave} were allowed under leave, and would have been asked about without it.`)
  for (const { count, reason } of notReplayed) say(`${count} not replayed: ${reason}.`)
  say("How often one may ask at all is not replayed, nor what agents would have done had they been asked otherwise.")
}
