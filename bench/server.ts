/**
 * The tests' server with a counter: on the line "usage" it says what it took of the machine so far, on "profile" and "stop"
 * it samples its own stack in between and says which file the profile is in.
 */
import "../stories/fixtures/server.ts"
import { mkdtempSync, writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { tell, usageNow } from "./usage.ts"

const inspector = new Session()
inspector.connect()

for await (const line of createInterface(process.stdin)) {
  const [command, name] = line.split(" ")
  if (command === "usage") tell(name!, usageNow())
  if (command === "profile") {
    await inspector.post("Profiler.enable")
    await inspector.post("Profiler.setSamplingInterval", { interval: 200 })
    await inspector.post("Profiler.start")
    tell(name!, {})
  }
  if (command === "stop") {
    const { profile } = await inspector.post("Profiler.stop")
    const file = join(mkdtempSync(join(tmpdir(), "safeconduct-profile-")), "server.cpuprofile")
    writeFileSync(file, JSON.stringify(profile))
    tell(name!, { file })
  }
}
