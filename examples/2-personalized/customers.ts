/** Customers who are at a browser when the tests and the end of the demo need them, without the web site's pages. */
import type { Safeconduct, Session } from "@safeconduct/sdk"
import { openPerson, type Page, type Person } from "./person.ts"
import { beginSignIn, finishSignIn, type ShopProvider } from "./sign-in.ts"

/** What a customer does when they are sent somewhere. */
export type Customers = {
  /** Has a customer delegate to an agent: they sign in at the provider, and agree on the consent page unless they did before. */
  sessionFor(customer: string, agent: Safeconduct, asked: { request: string; order: string }): Promise<Session>
  /** What the web site holds once that customer signed in there: an ID token. */
  idTokenOf(customer: string): Promise<string>
}

/** Where they go, and what is signed for them. */
export type Places = {
  provider: ShopProvider
  /** Public URL of Safeconduct. */
  issuer: string
  /** The web site, and where it takes what customers granted. */
  site: string
  callback: string
  state(request: string, order: string, customer: string): string
}

/** Customers whom nobody has seen yet; each has one browser. */
export function openCustomers({ provider, issuer, site, callback, state }: Places): Customers {
  const browsers = new Map<string, Person>()
  /** Goes there, signs in, agrees, and comes back to the web site, which does not see it. */
  const visit = async (customer: string, url: string): Promise<Page> => {
    const browser = browsers.get(customer) ?? openPerson(site)
    browsers.set(customer, browser)
    let page = await browser.visit(url)
    if (page.url.startsWith(provider.issuer)) page = await browser.press(page, `person=${customer}`)
    return page.url.startsWith(issuer) ? await browser.press(page, "Allow") : page
  }
  return {
    async sessionFor(customer, agent, { request, order }) {
      const statement = state(request, order, customer)
      const asked = await agent.ask({ purpose: "order-help", redirectUri: callback, statement })
      return await asked.redeem((await visit(customer, asked.url)).url)
    },
    async idTokenOf(customer) {
      const begun = await beginSignIn(provider)
      const { url } = await visit(customer, begun.url)
      return (await finishSignIn(provider, begun, new URL(url).searchParams)).idToken
    },
  }
}
