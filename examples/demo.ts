/**
 * Every use case, one after the other, each in a process of its own.
 *
 *     npm run demo
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

for (const example of ["1-read-only", "2-personalized"]) {
  const demo = spawn(
    process.execPath,
    ["--conditions=source", fileURLToPath(new URL(`./${example}/demo.ts`, import.meta.url))],
    {
      stdio: "inherit",
    },
  )
  // From a terminal both get the signal; the child stops what it started, and is waited for.
  const pass = (signal: NodeJS.Signals) => void demo.kill(signal)
  process.on("SIGINT", pass).on("SIGTERM", pass)
  const [code] = (await once(demo, "exit")) as [number | null]
  process.off("SIGINT", pass).off("SIGTERM", pass)
  if (code !== 0) process.exit(code ?? 1)
  console.log("\n")
}
