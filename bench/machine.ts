import { availableParallelism, cpus, loadavg, type as system, totalmem } from "node:os"

/** The machine's size in words, and how busy it was with other things: what each figure has to be read with. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor"
  const memory = Math.round(totalmem() / 2 ** 30)
  const load = loadavg()[0]!.toFixed(1)
  return `${availableParallelism()} × ${model}, ${memory} GB, ${system()}, Node ${process.versions.node}, load ${load} before`
}
