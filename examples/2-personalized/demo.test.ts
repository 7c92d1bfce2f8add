import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { fileURLToPath } from "node:url"

// The demo itself throws where something came through that must not; here it has to say what came of each step.

test("the demo plays to its end", { timeout: 180_000 }, async () => {
  const file = fileURLToPath(new URL("./demo.ts", import.meta.url))
  const demo = spawn(process.execPath, ["--conditions=source", file], { stdio: ["ignore", "pipe", "pipe"] })
  const exit = once(demo, "exit")
  const [said, problems, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), exit])
  assert.equal(code, 0, `${problems}\n${said}`)
  const steps = [
    /the page: .*Let support-bot act for you\?/,
    /the shipping bot, lent that one parcel: PA-1/,
    /"What did I order\?" → 7001 Kettle, 7003 Hammock/,
    /7002 Accordion, 7004 Telescope/,
    /customer = 1002 → 0 /,
    /key that changes Bob's order 7002 → The mandate of this session/,
    /7001 "with Mr Grey": support-bot, for alice, through shop-web, order-help, session_/,
    /7003 "At the back door": by hand, for alice, through shop_web /,
    /pressed the button, the bot's connection was closed/,
    /receipts verified offline/,
  ]
  const told = said.replaceAll(/\s+/g, " ")
  for (const step of steps) assert.match(told, step)
})
