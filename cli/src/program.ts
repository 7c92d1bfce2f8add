import { Command } from "commander"
import { addAgents } from "./commands/agents.ts"
import { addApply } from "./commands/apply.ts"
import { addApprovals } from "./commands/approvals.ts"
import { addAudit } from "./commands/audit.ts"
import { addConfig } from "./commands/config.ts"
import { addCredentials } from "./commands/credentials.ts"
import { addDoctor } from "./commands/doctor.ts"
import { addInit } from "./commands/init.ts"
import { addKeys } from "./commands/keys.ts"
import { addLogin } from "./commands/login.ts"
import { addOperators } from "./commands/operators.ts"
import { addPolicy } from "./commands/policy.ts"
import { addPrograms } from "./commands/run.ts"
import { addSessions } from "./commands/sessions.ts"

/** What a person sees who types the name and nothing else. */
export const BEGINNING = `Safeconduct stands between AI agents and everything they can touch.

Begin with:
  safeconduct dev                          run everything on this machine
  safeconduct init                         write a configuration to begin with
  safeconduct apply                        put it in force: who may do what, for which purpose
  safeconduct agents join-token <name>     let an agent join
  safeconduct audit verify                 check that the record is whole

All commands: safeconduct --help`

const AFTER = `
Data goes to standard output, messages to standard error. With --json every record is one line of JSON.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not authorised, 5 denied by policy, 7 expired or over,
8 verification failed, 75 try again later, 130 interrupted.

Environment: SAFECONDUCT_HOME (our folder; default: the nearest .safeconduct upward), SAFECONDUCT_URL,
SAFECONDUCT_JOIN_TOKEN, NO_COLOR. The server's: safeconduct config explain.`

/** The whole command line. */
export function createProgram(version: string): Command {
  const program = new Command("safeconduct")
    .description("Identity, just-in-time credentials and a provable record for AI agents.")
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help of a command")
    .option("--json", "print data as JSON, one record to a line")
    .option("--no-color", "no colours (also: NO_COLOR)")
    .addHelpText("after", AFTER)
    .showSuggestionAfterError(true)
    .exitOverride()
    .on("option:no-color", () => {
      process.env["NO_COLOR"] = "1"
    })
  addPrograms(program)
  addInit(program)
  addApply(program)
  addLogin(program)
  addAgents(program)
  addOperators(program)
  addSessions(program)
  addCredentials(program)
  addPolicy(program)
  addApprovals(program)
  addAudit(program)
  addKeys(program)
  addDoctor(program)
  addConfig(program)
  return program
}
