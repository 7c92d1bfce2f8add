import { existsSync, globSync } from "node:fs"
import { dirname, join } from "node:path"
import type { CaseResult, Explained } from "@safeconduct/server/programs"
import type { Command } from "commander"
import { atServer, noun, remote, styleOf, verb } from "../command.ts"
import { CommandError, exits, usage } from "../exit.ts"
import { printRow, say, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { addChanges } from "./changes.ts"
import { addSimulate } from "./simulate.ts"

const CONFIGURATION = "safeconduct.yaml"
/** Golden cases beside the policies. */
const CASES = ["policies/*.test.yaml", "policies/*.test.json"]

type ExplainOptions = {
  config?: string
  question?: string
  agent?: string
  user?: string
  claim?: string[]
  purpose?: string
  action: string
  operation?: string
  resource?: string
  approved?: boolean
  label?: string[]
}

/** Policy: trying it before it is in force, and asking why. */
export function addPolicy(program: Command): void {
  const policy = noun(program, "policy", "Try policies, and ask why they decide as they do")
  addTest(policy)
  addExplain(policy)
  addSimulate(policy)
  addChanges(policy)
}

function addTest(policy: Command): void {
  verb(policy, "test [files...]", "Decide golden cases under a configuration, without a server", [
    "safeconduct policy test",
    "safeconduct policy test policies/kb.test.yaml --config deploy/safeconduct.yaml",
    "safeconduct policy test --json | jq 'select(.isPassed | not)'",
  ])
    .option("--config <file>", "the configuration", CONFIGURATION)
    .action(async (files: string[], { config }: { config: string }, command: Command) => {
      const { readCases, readRehearsal, runCase } = await loadPrograms()
      const rehearsal = readRehearsal(config)
      const cases = (files.length > 0 ? files : besideOf(config)).flatMap(readCases)
      const results = cases.map((each) => runCase(rehearsal, each))
      const style = styleOf(command)
      if (style.isJson) for (const result of results) printRow(result, style)
      else for (const result of results) if (!result.isPassed) printFailed(result)
      const failed = results.filter(({ isPassed }) => !isPassed).length
      say(`${results.length - failed} passed, ${failed} failed.`)
      if (failed > 0) process.exitCode = exits.failed
    })
}

/** No case at all is a mistake: a test that tests nothing would pass for good. */
function besideOf(config: string): string[] {
  const folder = dirname(config)
  const found = CASES.flatMap((pattern) => globSync(pattern, { cwd: folder })).sort()
  if (found.length > 0) return found.map((each) => join(folder, each))
  throw usage(`There are no cases: ${CASES.join(" or ")} beside ${config}, or files that you name.`)
}

function printFailed({ file, line, title, differences, decided }: CaseResult): void {
  writeOut(`${file}:${line}: ${title}`)
  for (const difference of differences) writeOut(`  ${difference}`)
  for (const reason of decided.reasons) writeOut(`  because: ${reason}`)
}

function addExplain(policy: Command): void {
  remote(policy, "explain", "Say what would be decided, and which policy, ceiling or purpose decides it", [
    "safeconduct policy explain --agent support-bot --purpose answer-questions --operation read --resource kb",
    "safeconduct policy explain --config safeconduct.yaml --agent support-bot --purpose answer-questions --operation write --resource kb",
    "safeconduct policy explain --question question.json",
  ])
    .option("--config <file>", "a configuration, instead of the version in force at the server")
    .option("--question <file>", "a question of another enforcement point: an AuthZEN evaluation request, as JSON")
    .option("--agent <name>", "the agent that asks")
    .option("--user <id>", "the user that it asks for")
    .option("--claim <name=value...>", "claims that the user's provider says of them")
    .option("--purpose <name>", "the purpose of its session")
    .option("--action <type>", "credential, tool, sql, http or delegate", "credential")
    .option("--operation <name>", "the operation, in the resource's own words")
    .option("--resource <name>", "the resource")
    .option("--approved", "as if an approval for exactly this were at hand")
    .option("--label <label...>", "what the session has seen: untrusted, confidential")
    .action(async (options: ExplainOptions, command: Command) => {
      const { explain, readQuestion, openRehearsal, readRehearsal } = await loadPrograms()
      const asked = options.question === undefined ? askingOf(options) : readQuestion(questionAlone(options))
      const rehearsal =
        options.config === undefined
          ? openRehearsal(await documentInForce(command))
          : readRehearsal(needFile(options.config))
      printExplained(explain(rehearsal, asked), command)
    })
}

/** A question says everything: what else is said would not be looked at. */
function questionAlone({
  question,
  agent,
  user,
  claim,
  purpose,
  operation,
  resource,
  approved,
  label,
}: ExplainOptions): string {
  const others = [agent, user, claim, purpose, operation, resource, approved, label]
  if (others.every((each) => each === undefined)) return question!
  throw usage("--question says everything: it goes with --config alone.")
}

function askingOf({ agent, user, claim, purpose, action, operation, resource, approved, label }: ExplainOptions) {
  const types = ["credential", "tool", "sql", "http", "delegate"] as const
  const type = types.find((each) => each === action)
  if (type === undefined) throw usage(`--action is one of ${types.join(", ")}.`)
  if (agent === undefined || purpose === undefined || operation === undefined || resource === undefined) {
    throw usage("Name --agent, --purpose, --operation and --resource, or give --question.")
  }
  return {
    agents: [agent],
    purpose,
    action: { type, resource, operation },
    ...(user === undefined ? {} : { user: { id: user, claims: claimsOf(claim) } }),
    ...(approved === undefined ? {} : { approved }),
    ...(label === undefined ? {} : { labels: label }),
  }
}

/** Claims by name, each with all of its values. */
function claimsOf(claims: readonly string[] = []): { [name: string]: string[] } {
  const pairs = claims.map((claim) => {
    const at = claim.indexOf("=")
    if (at < 1) throw usage(`--claim is name=value, such as department=sales; it is "${claim}".`)
    return [claim.slice(0, at), claim.slice(at + 1)] as const
  })
  const named = Map.groupBy(pairs, ([name]) => name)
  return Object.fromEntries([...named].map(([name, all]) => [name, all.map(([, value]) => value)]))
}

/** The document in force at the server. */
async function documentInForce(command: Command): Promise<unknown> {
  const { document } = await atServer(command, "Reading", (server) =>
    server.json<{ document: unknown }>({ method: "GET", path: "/v1/policy" }),
  )
  if (document !== null) return document
  throw new CommandError(exits.notFound, "not-found", "No configuration is in force; safeconduct apply puts one there.")
}

function needFile(path: string): string {
  if (existsSync(path)) return path
  throw usage(`There is no ${path}.`)
}

function printExplained(explained: Explained, command: Command): void {
  const style = styleOf(command)
  if (style.isJson) {
    printRow(explained, style)
    return
  }
  writeOut(`${explained.verdict}. ${explained.sentence}`)
  for (const reason of explained.reasons) writeOut(`  ${reason}`)
  for (const { id, file, line, text } of explained.policies) writeOut(`\n${id} (${file}:${line})\n${text.trim()}`)
  for (const error of explained.errors) say(`not evaluated: ${error}`)
}
