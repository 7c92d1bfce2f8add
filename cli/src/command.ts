import type { Transport } from "@safeconduct/sdk"
import { type Command, InvalidArgumentError } from "commander"
import { asOperator, type RemoteOptions } from "./operator.ts"
import { type Row, type Style, say, withProgress } from "./output.ts"

/** Options of every command. */
export type CommonOptions = { json?: boolean }

/** A group of commands under a noun. Alone it says what there is, as a mistake: a script that calls it forgot something. */
export function noun(parent: Command, name: string, summary: string): Command {
  return parent.command(name).summary(summary).description(`${summary}.`)
}

/** A command. `examples` are whole lines; they stand first in its help. */
export function verb(parent: Command, usage: string, summary: string, examples: readonly string[]): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print data as JSON, one record to a line")
    .addHelpText("before", `Examples:\n${examples.map((line) => `  $ ${line}`).join("\n")}\n`)
}

/** A command that talks to a server as the operator. */
export function remote(parent: Command, usage: string, summary: string, examples: readonly string[]): Command {
  return verb(parent, usage, summary, examples)
    .option("--url <url>", "the server's agents listener (SAFECONDUCT_URL; default: where you logged in)")
    .option("--identity <folder>", "folder of the operator's identity (default: operator in the .safeconduct folder)")
}

/** Reads an option that counts. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,15}$/.test(text) && Number(text) >= least) return Number(text)
    throw new InvalidArgumentError(`It is a whole number, ${least} or more.`)
  }
}

/** What an action gets of its command. */
export function styleOf(command: Command): Style {
  return { isJson: command.optsWithGlobals<CommonOptions>().json === true }
}

/** Runs as the operator, with a word on stderr when it takes long. */
export function atServer<T>(command: Command, doing: string, work: (transport: Transport) => Promise<T>): Promise<T> {
  return withProgress(doing, () => asOperator(command.opts<RemoteOptions>(), work))
}

/** The records of a list answer: `{ <member>: […] }`. */
export async function list(transport: Transport, path: string, member: string): Promise<Row[]> {
  const answer = await transport.json<Record<string, Row[]>>({ method: "GET", path })
  return answer[member] ?? []
}

/** Path segments, each encoded. */
export function pathOf(...segments: string[]): string {
  return `/${segments.map(encodeURIComponent).join("/")}`
}

/** A query string of the values that are there. */
export function queryOf(values: Record<string, string | undefined>): string {
  const there = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return there.length === 0 ? "" : `?${new URLSearchParams(there)}`
}

/** Says what was done, and what one may want to do next. */
export function done(message: string, next?: string): void {
  say(next === undefined ? message : `${message}\nNext: ${next}`)
}
