import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { openPerson, type Page, plain } from "../examples/2-personalized/person.ts"
import { signCard } from "../examples/3-privileged/phone.ts"
import { listening, openTutorial, type Tutorial } from "./fixtures/tutorial.ts"

// docs/tutorials/approving-on-the-phone.md, by its own blocks; what its reader does on the phone, person.ts does.

describe("the tutorial on approving on the phone", { timeout: 180_000 }, () => {
  let here: Tutorial
  before(async () => {
    here = await openTutorial("approving-on-the-phone", "hr")
  })
  after(() => here?.[Symbol.asyncDispose]())

  test("plays as it is written", async () => {
    await here.sql(here.block("sql", 0))
    here.write("safeconduct.yaml", here.block("yaml"))
    here.write("policies/payroll.cedar", here.block("cedar"))
    await here.play(here.block("sh", 1))
    await here.sql(here.block("sql", 1))
    here.write("bot.ts", here.block("ts"))

    const { line } = listening(here.shell(here.block("sh", 2)))
    const browser = openPerson()
    const signIn = await browser.visit((await line()).replace("Open ", ""))
    const allowed = await browser.press(await browser.press(signIn, "person=alice"), "Allow")
    assert.match(allowed.html, /Thank you/)

    const phone = openPerson()
    await phone.press(await phone.visit(`${here.webUrl}/dev`), "Take it", { person: "alice" })
    const waiting = async (): Promise<{ id: string; card: Page }> => {
      const id = /approval_\w+/.exec(await line())![0]
      return { id, card: await phone.visit(`${here.webUrl}/approvals/${id}`) }
    }
    const dana = await waiting()
    assert.match(plain(dana.card.html), /Change the salary of dana to 45 000 euros a year/)
    assert.match(plain(dana.card.html), /not verified.*She asked for it at the last review/)
    await signCard(phone, dana.card, (options) => phone.ask<object>(dana.card, "/dev/passkey", options))
    assert.match(await line(), /the database says: approval-differs/)
    assert.equal(await line(), "dana earns 45000")
    assert.match(await line(), /the database says: approval-used/)

    const emil = await waiting()
    await phone.press(emil.card, "decision=deny")
    assert.match(await line(), /^denied: /)
    const said = await here.play(here.block("sh", 3).replace("approval_…", dana.id))
    assert.match(said.replaceAll(/\s+/g, " "), /Change the salary of dana to 45 000 euros a year/)
  })
})
