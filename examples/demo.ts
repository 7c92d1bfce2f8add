/**
 * Every use case, one after the other, each in a process of its own.
 *
 *     npm run demo
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

for (const example of ["1-read-only", "2-personalized", "3-privileged"]) {
  const file = fileURLToPath(new URL(`./${example}/demo.ts`, import.meta.url))
  const demo = spawn(process.execPath, ["--conditions=source", file], { stdio: "inherit" })
  // Ctrl-C reaches both. A second signal would not let the child stop what it started, so that one is not passed on.
  const wait = () => undefined
  const pass = () => void demo.kill("SIGTERM")
  process.on("SIGINT", wait).on("SIGTERM", pass)
  const [code] = (await once(demo, "exit")) as [number | null]
  process.off("SIGINT", wait).off("SIGTERM", pass)
  if (code !== 0) process.exit(code ?? 1)
  console.log("\n")
}
