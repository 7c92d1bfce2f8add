import type { Child } from "../stories/fixtures/child.ts"

/** What a process took so far. */
export type Usage = { cpuMs: number; rssBytes: number; heapBytes: number }

/** Of this process. */
export function usageNow(): Usage {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return { cpuMs: (user + system) / 1_000, rssBytes: rss, heapBytes: heapUsed }
}

/** One line to standard output, as whoever started us reads them. */
export function tell(step: string, facts: object): void {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`)
}

let count = 0

/** Tells a process of ours a command, and waits for what it says to it. */
export async function ask<Line>(child: Child, command: string): Promise<Line> {
  const step = `${command}-${++count}`
  child.tell(`${command} ${step}`)
  return await child.said<Line>(step)
}
