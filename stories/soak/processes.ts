import { spawn } from "node:child_process"
import { createWriteStream } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A program of this folder in a process of its own, which ends when its standard input does. */
export type Program = {
  readonly pid: number
  readonly ended: Promise<string>
  /** Resolves with the first line about that step from now on, or rejects when the process ends. */
  next<Line>(step: string): Promise<Line>
  /** The last line about that step. */
  last<Line>(step: string): Line | undefined
  tell(line: string): void
  signal(signal: NodeJS.Signals): void
}

/**
 * Starts `<name>.ts`. Its order is the first line of its standard input, because it may hold what a list of processes must not
 * show; what it writes to standard error is appended to a file.
 */
export function startProgram(name: string, order: object, errorsTo: string): Program {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, ["--conditions=source", file], {
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "pipe", "pipe"],
  })
  const errors = createWriteStream(errorsTo, { flags: "a" })
  child.stderr.pipe(errors)
  child.stdin.on("error", () => undefined)
  child.stdin.write(`${JSON.stringify(order)}\n`)
  const lines = new Map<string, unknown>()
  const waiting = new Map<string, PromiseWithResolvers<unknown>>()
  createInterface(child.stdout).on("line", (text) => {
    const line = JSON.parse(text) as { step: string }
    lines.set(line.step, line)
    waiting.get(line.step)?.resolve(line)
    waiting.delete(line.step)
  })
  const ended = new Promise<string>((resolve) => {
    child.once("close", (code, signal) => {
      const how = `${name} ended (${signal ?? code})`
      for (const each of waiting.values()) each.reject(new Error(`${how}; see ${errorsTo}`))
      waiting.clear()
      resolve(how)
    })
  })
  return {
    pid: child.pid!,
    ended,
    async next<Line>(step: string) {
      const wait = waiting.get(step) ?? Promise.withResolvers<unknown>()
      waiting.set(step, wait)
      return (await wait.promise) as Line
    },
    last: <Line>(step: string) => lines.get(step) as Line | undefined,
    tell: (line) => void child.stdin.write(`${line}\n`),
    signal: (signal) => void child.kill(signal),
  }
}

/** What this program was told, and lines that come later. It ends with its standard input: nobody is left who needs it. */
export async function readOrder<Order>(onLine: (line: string) => void = () => undefined): Promise<Order> {
  const lines = createInterface(process.stdin)
  const first = Promise.withResolvers<string>()
  let tell: (line: string) => void = first.resolve
  lines.on("line", (line) => {
    tell(line)
    tell = onLine
  })
  lines.once("close", () => process.exit())
  return JSON.parse(await first.promise) as Order
}
