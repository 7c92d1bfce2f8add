import type { Page, Person } from "../../examples/2-personalized/person.ts"
import { plain } from "../../examples/2-personalized/person.ts"
import type { ForeignProvider } from "./foreign.ts"

let failures = 0

/** Plays one step and prints a line for it. Undefined when it failed. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  const began = performance.now()
  try {
    const result = await work()
    console.log(`pass  ${what} (${((performance.now() - began) / 1000).toFixed(1)} s)`)
    return result
  } catch (error) {
    failures += 1
    console.log(`FAIL  ${what}: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

/** Says how it went, and has the process end so. */
export function finish(): void {
  console.log(failures === 0 ? "all steps passed" : `${failures} steps failed`)
  process.exitCode = failures === 0 ? 0 : 1
}

/** Fills the provider's own form; whoever is signed in there already is not asked. */
export async function signedIn({ issuer, person: who }: ForeignProvider, person: Person, page: Page): Promise<Page> {
  if (!page.url.startsWith(issuer.replace(/\/realms\/.*/, ""))) return page
  const { name, password } = who
  const user = /name="username"/.test(page.html) ? "username" : "user"
  return await person.press(page, buttonsOf(page)[0]!, { [user]: name, password })
}

/** What the page's buttons are called. */
export function buttonsOf({ html }: Page): string[] {
  const found = html.matchAll(/<button\b[^>]*>([\s\S]*?)<\/button>|<input\b[^>]*type="submit"[^>]*>/g)
  return [...found].map(([tag, inner]) => plain(inner ?? /value="([^"]*)"/.exec(tag)?.[1] ?? ""))
}

/** Resolves with what is there as soon as it is. */
export async function until<T>(find: () => Promise<T | null | undefined | false>, withinMs = 20_000): Promise<T> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; ) {
    const found = await find()
    if (found !== null && found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error("it did not come")
}
