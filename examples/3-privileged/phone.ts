/**
 * Alice's phone without a screen: it opens the pages that a phone opens, and does what their scripts do. Its passkey is a real one
 * in software: it signs over what the page asks for, and the server verifies it as any other.
 */
import {
  type AssertionOptions,
  type CreationOptions,
  type SoftwarePasskey,
  softwarePasskey,
} from "@safeconduct/console/passkey"
import { openPerson, type Page, type Person } from "../2-personalized/person.ts"

/** Somebody's phone, signed in, with a passkey. */
export type Phone = {
  /** The card that waits; waits until there is one. */
  card(): Promise<Page>
  /** The newest of what was asked before. */
  latest(): Promise<Page>
  /** What the person says, and the page that says what came of it. */
  sign(card: Page): Promise<Page>
  deny(card: Page): Promise<Page>
  report(card: Page): Promise<Page>
}

const LOOK_MS = 50

/** Takes a phone, signs somebody in at their provider, and makes a passkey. */
export async function openPhone(site: string, { issuer, name }: { issuer: string; name: string }): Promise<Phone> {
  const person = openPerson()
  const signIn = async (path: string): Promise<Page> => {
    const page = await person.visit(new URL(path, site).href)
    return page.url.startsWith(issuer) ? await person.press(page, `person=${name}`) : page
  }
  const passkey = await enrol(person, await signIn("/me/new-passkey"))
  const decide = (card: Page, decision: string) => person.press(card, `decision=${decision}`)
  return {
    async card() {
      for (;;) {
        const inbox = await signIn("/approvals")
        const path = /href="(\/approvals\/approval_\w+)"/.exec(inbox.html)?.[1]
        if (path !== undefined) return await signIn(path)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
    async latest() {
      const history = await signIn("/approvals/history")
      return await signIn(/href="(\/approvals\/approval_\w+)"/.exec(history.html)![1]!)
    },
    sign: (card) => signCard(person, card, (options) => passkey.get(options, new URL(card.url).origin)),
    deny: (card) => decide(card, "deny"),
    report: (card) => decide(card, "report"),
  }
}

/** What the script of /me/new-passkey does. */
async function enrol(person: Person, page: Page): Promise<SoftwarePasskey> {
  const passkey = softwarePasskey()
  const asked = { form: dataOf(page, "token") }
  const { options } = await person.ask<{ options: CreationOptions }>(page, dataOf(page, "options"), asked)
  const answer = JSON.stringify(passkey.create(options, new URL(page.url).origin))
  await person.press(page, "Make a passkey", { answer })
  return passkey
}

/** What the script of a card's page does: asks what is to be signed, has `answer` sign it, and sends the form. */
export async function signCard(
  person: Person,
  card: Page,
  answer: (options: AssertionOptions) => object | Promise<object>,
): Promise<Page> {
  const id = /\/approvals\/(approval_\w+)/.exec(card.url)![1]!
  const items = [...card.html.matchAll(/name="item-(approval_\w+)"/g)].map(([, item]) => item!)
  const asked = {
    form: dataOf(card, "token"),
    locale: dataOf(card, "locale"),
    bounds: null,
    items: items.length > 0 ? items : [id],
  }
  const { options } = await person.ask<{ options: AssertionOptions }>(card, dataOf(card, "challenge"), asked)
  const response = JSON.stringify(await answer(options))
  return await person.press(card, "decision=approve", { response, decision: "approve" })
}

/** What a page tells its script. */
function dataOf({ html, url }: Page, name: string): string {
  const found = new RegExp(`data-${name}="([^"]*)"`).exec(html)?.[1]
  if (found === undefined) throw new Error(`${url} does not say "${name}" to its script`)
  return found
}
