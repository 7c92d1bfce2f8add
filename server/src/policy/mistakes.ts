import type { DetailedError } from "@cedar-policy/cedar-wasm/nodejs"
import { Refusal } from "#kernel"
import type { PolicyFile } from "./policy-set.ts"

/** A `policy-invalid` with `detail: { file, line, column }`, 1-based; `at` counts UTF-16 units, and so do columns. */
export function mistake(message: string, { file, text }: PolicyFile, at: number): Refusal {
  const { line, column } = position(text, at)
  return new Refusal("policy-invalid", `${file}:${line}:${column}: ${message}`, { detail: { file, line, column } })
}

/** What Cedar says is wrong; it counts bytes of UTF-8, and sometimes gives no place at all. */
export function cedarMistake([error]: readonly DetailedError[], file: PolicyFile): Refusal {
  const place = error?.sourceLocations?.[0]
  const at = Buffer.from(file.text)
    .subarray(0, place?.start ?? 0)
    .toString("utf8").length
  return mistake(sentenceOf(error), file, at)
}

/** Cedar's message with its label and help. Positional ids mean nothing to the author, who has file, line and column. */
export function sentenceOf(error: DetailedError | undefined): string {
  const message = (error?.message ?? "The policy cannot be read").replace(/^for policy `policy\d+`, /, "")
  const hint = [error?.sourceLocations?.[0]?.label, error?.help].filter((text) => text != null).join("; ")
  return hint === "" ? `${message}.` : `${message} (${hint}).`
}

/** Line and column of a place in a text, 1-based. */
export function position(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, Math.max(at, 0)).split("\n")
  return { line: before.length, column: before.at(-1)!.length + 1 }
}
