import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { after, before, describe, test } from "node:test"
import { fileURLToPath } from "node:url"
import { type EmbeddedPostgres, removePostgres, silentLog, startPostgres } from "@safeconduct/server/programs"
import { BIN, workplace } from "../../cli/src/testing/run.ts"
import { openPerson } from "../../examples/2-personalized/person.ts"
import { freePort } from "../../examples/2-personalized/shop.ts"
import { runSql } from "../fixtures/resource.ts"

// docs/tutorials/acting-for-alice.md, by its own blocks: what is written there is what is run here. Only addresses, the
// password, and what npm would install are put in their places.

const root = new URL("../../", import.meta.url)
const tutorial = readFileSync(new URL("docs/tutorials/acting-for-alice.md", root), "utf8")
const place = workplace()

/** The nth block of that language. */
function block(language: string, nth = 0): string {
  const blocks = [...tutorial.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))]
  return blocks[nth]![1]!
}

describe("the tutorial on acting for Alice", { timeout: 180_000 }, () => {
  let base: EmbeddedPostgres
  let dev: ChildProcess
  let urls: { agentsUrl: string; webUrl: string; provider: string }
  let callback: string
  let adminUrl: string
  before(async () => {
    base = await startPostgres({ folder: join(place.folder, "base"), isThrowaway: true, log: silentLog })
    adminUrl = new URL("/shop", base.superuserUrl).href
    await runSql(base.superuserUrl, "create database shop")
    callback = `http://127.0.0.1:${await freePort()}/callback`
    symlinkSync(fileURLToPath(new URL("node_modules", root)), join(place.folder, "node_modules"))
    // In the place of an installed command, the clone's.
    mkdirSync(join(place.folder, "bin"))
    const npx = `#!/bin/sh\nshift\nexec '${process.execPath}' '${BIN}' "$@"\n`
    writeFileSync(join(place.folder, "bin", "npx"), npx, { mode: 0o755 })
    const addresses = ["agents", "web", "ops"].flatMap((name) => [`--${name}-address`, "127.0.0.1:0"])
    dev = spawn(process.execPath, [BIN, "dev", "--json", "--provider-port", "0", ...addresses], {
      cwd: place.folder,
      env: place.env,
      stdio: ["pipe", "pipe", "ignore"],
    })
    const [line] = (await once(createInterface({ input: dev.stdout! }), "line")) as [string]
    urls = JSON.parse(line) as typeof urls
  })
  after(async () => {
    if (dev?.exitCode === null) {
      dev.kill("SIGTERM")
      await once(dev, "exit")
    }
    await base?.stop()
    await removePostgres(join(place.folder, "base"))
    await removePostgres(join(place.env.SAFECONDUCT_HOME, "postgres"))
    place[Symbol.dispose]()
  })

  /** The words of the tutorial with what is this machine's. */
  const here = (words: string) =>
    words
      .replaceAll("http://127.0.0.1:7430", urls.provider)
      .replaceAll("https://127.0.0.1:7443", urls.agentsUrl)
      .replaceAll("http://localhost:7420", urls.webUrl)
      .replaceAll("http://127.0.0.1:7500/callback", callback)
      .replaceAll("listen(7500,", `listen(${new URL(callback).port},`)
      .replaceAll("postgres://postgres:…@127.0.0.1:5432/shop", adminUrl)
      .replaceAll("port: 5432", `port: ${base.port}`)
  const shell = (script: string) =>
    spawn("sh", ["-e", "-c", here(script)], {
      cwd: place.folder,
      env: {
        ...place.env,
        PATH: `${join(place.folder, "bin")}:${process.env["PATH"]}`,
        NODE_OPTIONS: "--conditions=source",
        SAFECONDUCT_IDENTITY: join(place.folder, ".safeconduct", "agent"),
      },
      stdio: ["ignore", "pipe", "pipe"],
    })
  const play = async (script: string): Promise<string> => {
    const child = shell(script)
    const exit = once(child, "close")
    const [said, problems, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
    assert.equal(code, 0, `${script}\n${said}\n${problems}`)
    return said
  }

  test("plays as it is written", async () => {
    await runSql(adminUrl, block("sql", 0))
    writeFileSync(join(place.folder, "safeconduct.yaml"), here(block("yaml")))
    mkdirSync(join(place.folder, "policies"))
    writeFileSync(join(place.folder, "policies", "shop.cedar"), block("cedar"))
    await play(block("sh", 1))
    await runSql(adminUrl, block("sql", 1))
    writeFileSync(join(place.folder, "bot.ts"), here(block("ts")))

    const alice = await runBot(block("sh", 2), "alice")
    assert.match(alice.orders, /\[\{"id":1,"item":"Kettle"\},\{"id":3,"item":"Hammock"\}\]/)
    assert.match(await play(block("sh", 3)), new RegExp(alice.session))
    await alice.browser.press(await alice.browser.visit(`${urls.webUrl}/me`), "End")
    assert.match(await alice.last(), /the database says: .*terminat/i)

    // It has an identity now; because she ended what it did, she is asked again.
    const again = await runBot("node bot.ts", "alice", alice.browser)
    assert.equal(again.wasAsked, true)
    await again.browser.press(await again.browser.visit(`${urls.webUrl}/me`), "End")
    await again.last()

    const bob = await runBot("node bot.ts", "bob")
    assert.ok(bob.wasAsked)
    assert.match(bob.orders, /\[\{"id":2,"item":"Accordion"\}\]/)
    await bob.browser.press(await bob.browser.visit(`${urls.webUrl}/me`), "End")
    await bob.last()
    await play(block("sh", 4))
  })

  /** Runs the bot until it waits in the database, its user having done in a browser what the page says. */
  async function runBot(script: string, user: string, browser = openPerson()) {
    const child = shell(script)
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    const problems = text(child.stderr!)
    const line = async (): Promise<string> => {
      const next = await lines.next()
      if (!next.done) return next.value
      throw new Error(`the bot said no more\n${await problems}`)
    }
    const url = (await line()).replace("Open ", "")
    let page = await browser.visit(url)
    if (page.url.startsWith(urls.provider)) page = await browser.press(page, `person=${user}`)
    const wasAsked = page.url.startsWith(urls.webUrl)
    if (wasAsked) page = await browser.press(page, "Allow")
    assert.match(page.html, /Thank you/)
    const session = /session_\w+/.exec(await line())![0]
    return { browser, wasAsked, session, orders: await line(), last: line }
  }
})
