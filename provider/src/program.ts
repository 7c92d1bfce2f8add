import { spawn } from "node:child_process"
import { env, execPath } from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ProviderOptions } from "./open.ts"

/** A provider that runs in a process of its own, and ends with this one, however that ends. */
export type ProviderProcess = AsyncDisposable & { issuer: string; pid: number }

/** What such a provider is started with. */
export type ProviderProcessOptions = Omit<ProviderOptions, "onProblem"> & {
  /** Is told what the provider complains of, and that it ended by itself; nobody unless told. */
  onProblem?: (problem: string) => void
}

// Beside this file, as written in the clone and as JavaScript in a package.
const main = fileURLToPath(new URL(`./main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url))

/** Starts it; rejects with what it said if it does not start. Nothing of this package's dependencies is loaded here. */
export async function startProvider(options: ProviderProcessOptions): Promise<ProviderProcess> {
  const { onProblem = () => undefined, ...told } = options
  const { NODE_ENV } = env
  const child = spawn(execPath, [main], { stdio: "pipe", env: NODE_ENV === undefined ? {} : { NODE_ENV } })
  const complaints: string[] = []
  let isRunning = false
  createInterface(child.stderr).on("line", (line) => {
    // oidc-provider knows the releases of Node of its own day.
    if (line.includes("Unsupported runtime")) return
    if (isRunning) onProblem(line)
    else complaints.push(line)
  })
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const said = new Promise<string>((resolve) => createInterface(child.stdout).once("line", resolve))
  // It may be gone already; what it said says why.
  child.stdin.on("error", () => undefined)
  child.stdin.write(`${JSON.stringify(told)}\n`)
  const line = await Promise.race([said, ended])
  if (line === undefined) throw new Error(`The provider did not start: ${complaints.join(" ")}`)
  isRunning = true
  void ended.then(() => isRunning && onProblem("The provider ended."))
  return {
    issuer: (JSON.parse(line) as { issuer: string }).issuer,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      isRunning = false
      child.stdin.end()
      await ended
    },
  }
}
