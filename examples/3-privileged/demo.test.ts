import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { fileURLToPath } from "node:url"

// The demo itself throws where something came through that must not; here it has to say what came of each step.

test("the demo plays to its end", { timeout: 240_000 }, async () => {
  const file = fileURLToPath(new URL("./demo.ts", import.meta.url))
  const demo = spawn(process.execPath, ["--conditions=source", file], { stdio: ["ignore", "pipe", "pipe"] })
  const exit = once(demo, "exit")
  const [said, problems, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), exit])
  assert.equal(code, 0, `${problems}\n${said}`)
  const steps = [
    /Ines is hired → Alice is told, and asked nothing/,
    /on Alice's phone: Change the salary of E-1002 to 52 000 euros a year .* “She led the big order\.”/,
    /Chloé's raise, from Alice's signature to the database/,
    /on Alice's phone: End the employment of E-1030 .*Cannot be undone/,
    /euros = 480000 where employee = 'E-1040' → approval-differs.*\(SC002\)/,
    /euros \* 2 → approval-differs/,
    /→ done, as it was approved .* → approval-used.*\(SC003\)/,
    /412 requests: 0 done, 1 refusal of them all/,
    /on Alice's phone: Refused: too many of one kind at once/,
    /after she pressed the button, the agent's last connection was closed/,
    /The agent hr-agent is suspended/,
    /signed it with her passkey: \{"employee":"E-1002","euros":52000\}/,
    /with one digit changed: The evidence does not verify/,
    /receipts verified offline/,
  ]
  const told = said.replaceAll(/\s+/g, " ")
  for (const step of steps) assert.match(told, step)
})
