/**
 * The provider as a process of its own: `node main.js < configuration.json`, or with the file's name. One line of JSON says
 * the issuer; then it runs for as long as its standard input is open, so that it ends with whoever started it.
 */
import { readFileSync } from "node:fs"
import process, { argv, exit, stderr, stdin, stdout } from "node:process"
import { createInterface } from "node:readline"
import { openProvider } from "./open.ts"
import { parseOptions } from "./parse.ts"

// Ctrl-C reaches all that a terminal started; whoever started this one ends it in order.
if (!stdin.isTTY) process.on("SIGINT", () => undefined)
const lines = createInterface({ input: stdin })
const ended = new Promise<void>((resolve) => lines.once("close", resolve))
const [, , file] = argv
const text = file === undefined ? firstLine() : readFileSync(file, "utf8")
try {
  const onProblem = (problem: Error) => void stderr.write(`${problem.stack ?? problem.message}\n`)
  await using provider = await openProvider({ ...parseOptions(await text), onProblem })
  stdout.write(`${JSON.stringify({ issuer: provider.issuer })}\n`)
  await ended
} catch (error) {
  stderr.write(`${error instanceof Error ? error.message : error}\n`)
  exit(1)
}

async function firstLine(): Promise<string> {
  const line = await Promise.race([new Promise<string>((resolve) => lines.once("line", resolve)), ended])
  if (line === undefined)
    throw new Error("The configuration is missing: one line of JSON on standard input, or a file.")
  return line
}
