import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { connect, type Safeconduct } from "@safeconduct/sdk"
import { type Dev, dev, removePostgres, silentLog } from "@safeconduct/server/programs"
import { apply, openSession, parseDocument } from "../server/src/gate/index.ts"
import type { Delegation } from "../server/src/sessions/index.ts"
import { type Browser, noBrowser, openBrowser } from "./fixtures/browser.ts"

const detail = { type: "safeconduct_action", actions: ["tool:raise"], locations: ["hr"] }
const issuer = "http://127.0.0.1:7430"
const raise = {
  type: "tool",
  resource: "hr",
  operation: "raise",
  arguments: { employee: "E-7", amount: 5200 },
} as const
const card = { en: "Raise the salary of {employee} to {amount}", de: "Gehalt von {employee} auf {amount} anheben" }
const document = {
  providers: { shop: { issuer, network: "loopback", clientId: "safeconduct" } },
  purposes: { hr: { description: "Keep the HR records", actions: [detail] } },
  resources: {
    hr: {
      engine: "tools",
      description: "The HR records",
      operations: { raise: { elevated: "money", description: "raise a salary", card } },
    },
  },
  agents: {
    "hr-bot": { owner: "hr@example.org", description: "Keeps HR records", purposes: ["hr"], ceiling: [detail] },
  },
  policies: [
    {
      file: "hr.cedar",
      text: `@id("all") permit (principal, action, resource); @id("raises-are-signed") @ask("user") @reason("A salary changes.")
        forbid (principal, action, resource) unless { context.approved };`,
    },
  ],
}

describe("the development page", { timeout: 240_000, skip: noBrowser }, () => {
  let folder: string
  let running: Dev
  let agent: Safeconduct
  let browser: Browser
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "safeconduct-page-"))
    const anyPort = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }
    running = await dev({ folder: join(folder, "server"), flags: anyPort, log: silentLog })
    const { rooms, agentsUrl: url } = running
    await apply(rooms, "server", parseDocument(document))
    const { token } = await rooms.agents.createJoinToken({ kind: "agent", name: "hr-bot" }, "server")
    agent = await connect({ url, joinToken: token.reveal(), folder: join(folder, "agent") })
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.[Symbol.asyncDispose]()
    await agent?.[Symbol.asyncDispose]()
    await running?.stop()
    await removePostgres(join(folder, "server", "postgres"))
    rmSync(folder, { recursive: true, force: true })
  })

  /** A session for Alice, as if she had delegated it. */
  async function sessionForAlice() {
    const { rooms } = running
    const seen = { provider: "shop", iss: issuer, sub: "alice", claims: {} }
    const { result: user } = await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))
    const by = { kind: "provider", claim: "may_act", tokenDigest: "t" }
    const granted = { application: null, details: [detail], requestText: null, parameters: {}, providerSession: null }
    const delegation = { user, by, ...granted } as unknown as Delegation
    const { svid } = agent.identity
    const caller = await rooms.agents.identify(chainOf(svid))
    assert.ok(caller.kind === "agent")
    const { session } = await openSession(rooms, caller, { purpose: "hr", delegation })
    return await agent.reopen(session.id)
  }

  test("shows an action that waits beside Alice's phone, where a click approves it, and it happens", async () => {
    await using window = await browser.window()
    const { page } = window
    await page.goto(`${running.webUrl}/dev`)
    const session = await sessionForAlice()
    const done = session.perform(raise, async () => "raised", {
      wait: true,
      justification: "As agreed in the yearly talk",
    })
    await page.getByRole("cell", { name: "waits for a person" }).waitFor()
    await page.getByRole("button", { name: "Take it" }).click()
    const phone = page.frameLocator("iframe[name=phone]")
    await phone
      .getByRole("link", { name: /Raise the salary of/ })
      .first()
      .click()
    await phone.getByRole("button", { name: /^Approve/ }).waitFor()
    await window.screenshot("dev-page-asked")
    await phone.locator("[data-end]").scrollIntoViewIfNeeded()
    await phone.locator("button[data-sign]:not([aria-disabled])").click()
    assert.equal(await done, "raised")
    await page.getByRole("cell", { name: "approved", exact: true }).waitFor()
    await window.screenshot("dev-page-approved")
    assert.deepEqual(await window.violations(), [])
  })

  test("how people are told is a page that everybody can use", async () => {
    for (const sight of [{ size: "phone" }, { size: "phone", scheme: "dark" }] as const) {
      await using window = await browser.window(sight)
      const { page } = window
      await page.goto(`${running.webUrl}/dev`)
      await page.getByRole("button", { name: "Take it" }).click()
      await page.frameLocator("iframe[name=phone]").getByRole("heading").first().waitFor()
      await page.goto(`${running.webUrl}/me/notifications`)
      await window.screenshot("notifications")
      assert.deepEqual(await window.violations(), [])
    }
  })
})

function chainOf(pem: string): Buffer[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => Buffer.from(block.replaceAll(/-----[^-]+-----|\s/g, ""), "base64"))
}
