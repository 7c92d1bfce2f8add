/**
 * Where a server's time goes: reads a profile that V8 sampled and adds up each function's own time by the room or the
 * library that it belongs to.
 *
 *     node --conditions=source bench/profile.ts <file.cpuprofile>
 */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"

/** One line of the table: `share` of the time that was not idle. */
export type Part = { part: string; ms: number; share: number; top: string[] }

type Node = { id: number; callFrame: { functionName: string; url: string } }
type Profile = { nodes: Node[]; samples: number[]; timeDeltas: number[] }

/** Which part a script belongs to: the first that matches. */
const PARTS: readonly (readonly [part: string, url: RegExp])[] = [
  ["rooms: $1", /\/server\/src\/(?:credentials\/engines\/)?([a-z-]+)\//],
  ["tlog", /\/tlog\//],
  ["$1", /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/],
  ["node: $1", /^node:(?:internal\/)?([a-z_0-9]+)/],
  ["wasm", /^wasm:/],
]

/** Adds up a profile, largest first; the parts below one percent are one line. */
export function readProfile(file: string): Part[] {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as Profile
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parts = new Map<string, Map<string, number>>()
  for (const [at, id] of samples.entries()) {
    const { functionName, url } = byId.get(id)!.callFrame
    // The inspector's own work is the sampling.
    if (functionName === "(idle)" || url.startsWith("node:inspector")) continue
    const part = partOf(functionName, url)
    const functions = parts.get(part) ?? new Map<string, number>()
    parts.set(part, functions)
    functions.set(functionName || "(anonymous)", (functions.get(functionName || "(anonymous)") ?? 0) + timeDeltas[at]!)
  }
  return shared([...parts].map(([part, functions]) => ({ part, functions })))
}

function partOf(functionName: string, url: string): string {
  if (functionName === "(garbage collector)") return "garbage collection"
  // What has no script is V8's or the operating system's: system calls, TLS, hashing.
  if (url === "") return functionName === "(program)" ? "native code outside of JavaScript" : "native functions"
  for (const [part, pattern] of PARTS) {
    const match = pattern.exec(url)
    if (match !== null) return part.replace("$1", match[1] ?? "")
  }
  return url
}

function shared(parts: { part: string; functions: Map<string, number> }[]): Part[] {
  const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0)
  const total = sum(parts.flatMap(({ functions }) => [...functions.values()]))
  return parts
    .map(({ part, functions }) => {
      const us = sum(functions.values())
      const top = [...functions].toSorted(([, a], [, b]) => b - a).slice(0, 4)
      return {
        part,
        ms: us / 1_000,
        share: us / total,
        top: top.map(([name, own]) => `${name} ${((100 * own) / total).toFixed(1)}`),
      }
    })
    .filter(({ share }) => share >= 0.005)
    .toSorted((a, b) => b.ms - a.ms)
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  for (const { part, share, top } of readProfile(process.argv[2]!)) {
    console.log(`${(100 * share).toFixed(1).padStart(5)} %  ${part.padEnd(36)} ${top.join(", ")}`)
  }
}
