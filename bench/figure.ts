import { readFileSync, writeFileSync } from "node:fs"
import type { Pace } from "./measure.ts"

/** What a figure measures, as data. */
export type Figure = {
  name: string
  title: string
  /** How it is measured and what the floor is: one paragraph. */
  what: string
  measure(pace: Pace): Promise<Measured>
}

/** What was measured: a table, and what its aims came to. */
export type Measured = {
  columns: readonly string[]
  rows: readonly (readonly string[])[]
  aims: readonly Aim[]
  /** Lines that the table has no place for. */
  notes?: readonly string[]
}

/** An aim of the design with what it came to. */
export type Aim = { aim: string; value: string; isReached: boolean }

/** A figure with when it was measured, and on what. */
export type Result = Measured & { name: string; title: string; what: string; at: string; machine: string }

/** As the command prints it. */
export function asText({ title, columns, rows, aims, notes = [] }: Result): string {
  const all = [columns, ...rows]
  const widths = columns.map((_, at) => Math.max(...all.map((row) => row[at]!.length)))
  const lines = all.map((row) => row.map((cell, at) => cell.padStart(widths[at]!)).join("  "))
  return [`\n${title}`, ...lines, ...notes, ...aims.map(aimLine)].join("\n")
}

/** As bench/README.md holds it. */
export function asMarkdown({ what, columns, rows, aims, notes = [], at, machine }: Result): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`
  const table = [line(columns), line(columns.map(() => "---:")), ...rows.map(line)]
  const lists = [...notes, ...aims.map(aimLine)].map((text) => `- ${text}`)
  return [what, "", ...table, "", ...lists, "", `Measured ${at} on ${machine}.`].join("\n")
}

function aimLine({ aim, value, isReached }: Aim): string {
  return `${isReached ? "reached" : "NOT reached"}: ${aim}: ${value}`
}

const README = new URL("./README.md", import.meta.url)

/** Puts a result between its markers. */
export function writeResult(result: Result): void {
  const text = readFileSync(README, "utf8")
  const [open, close] = [`<!-- result ${result.name} -->`, `<!-- end ${result.name} -->`]
  const [before, rest] = text.split(open)
  const after = rest?.split(close)[1]
  if (after === undefined) throw new Error(`bench/README.md has no place for ${result.name}`)
  writeFileSync(README, `${before}${open}\n\n${asMarkdown(result)}\n\n${close}${after}`)
}
