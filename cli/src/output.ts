import { styleText } from "node:util"

/** One row of data: printed as columns, or as a line of JSON. */
export type Row = Record<string, unknown>

/** How a command prints: `isJson` by --json. */
export type Style = { isJson: boolean }

/** Data goes to stdout. Lists are one record to a line: with --json a line of JSON each, on a terminal columns under names. */
export function printRows(rows: readonly Row[], columns: readonly string[], { isJson }: Style): void {
  if (isJson) {
    for (const row of rows) writeOut(JSON.stringify(row))
    return
  }
  const cells = rows.map((row) => columns.map((column) => cell(row[column])))
  if (!process.stdout.isTTY) {
    for (const line of cells) writeOut(line.join("\t"))
    return
  }
  if (rows.length === 0) {
    say("Nothing there.")
    return
  }
  const header = columns.map((column) => words(column).toUpperCase())
  const widths = header.map((name, at) => Math.max(name.length, ...cells.map((line) => line[at]!.length)))
  const render = (line: readonly string[]) =>
    line
      .map((text, at) => text.padEnd(widths[at]!))
      .join("  ")
      .trimEnd()
  writeOut(styleText("dim", render(header), { stream: process.stdout }))
  for (const line of cells) writeOut(render(line))
}

/** One thing: with --json one line of JSON, else a line to each member. */
export function printRow(row: Row, { isJson }: Style): void {
  if (isJson) {
    writeOut(JSON.stringify(row))
    return
  }
  const width = Math.max(0, ...Object.keys(row).map((name) => words(name).length))
  for (const [name, value] of Object.entries(row)) writeOut(`${words(name).padEnd(width)}  ${cell(value)}`.trimEnd())
}

/** A line of data. */
export function writeOut(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** A message for the person: stderr. */
export function say(message: string): void {
  process.stderr.write(`${message}\n`)
}

/** What went wrong: stderr, red where there are colours. */
export function complain(message: string): void {
  say(`${styleText("red", "error:", { stream: process.stderr })} ${message}`)
}

/** Says what is going on when it takes more than a second. */
export async function withProgress<T>(doing: string, work: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => say(`${doing} …`), 1_000)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}

function cell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-"
  if (typeof value === "object") {
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return printable(value.join(", "))
    return printable(JSON.stringify(value))
  }
  return printable(String(value))
}

/** Text of others must not move the cursor or paint the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (control) => JSON.stringify(control).slice(1, -1))
}

function words(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()
}
