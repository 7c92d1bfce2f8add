import { text } from "node:stream/consumers"
import { errors, type Grant, type KoaContextWithOIDC, type Provider } from "oidc-provider"
import { messagePage, signInPage } from "./pages.ts"
import type { Person } from "./people.ts"

const MAX_FORM_BYTES = 4096

/** Where somebody chooses who to be. The id is random, and bound to the browser by a cookie. */
export function pathOfSignIn(uid: string): string {
  return `/sign-in/${uid}`
}

/** Serves the sign-in page: a click is a sign-in. */
export function serveSignIn(provider: Provider, people: readonly Person[]): void {
  provider.use(async (ctx, next) => {
    const uid = /^\/sign-in\/([\w-]+)$/.exec(ctx.path)?.[1]
    if (uid === undefined || !["GET", "POST"].includes(ctx.method)) return await next()
    const asked = await provider.interactionDetails(ctx.req, ctx.res).catch((error: unknown) => {
      if (error instanceof errors.SessionNotFound) return null
      throw error
    })
    if (asked?.uid !== uid) {
      return messagePage(ctx, 404, "This sign-in is over", "Go back to where you came from, and start again.")
    }
    const client = await provider.Client.find(String(asked.params["client_id"]))
    const forWhom = String(client?.clientName ?? asked.params["client_id"])
    // What somebody asks for by `prompt=consent` was granted when the request came.
    if (asked.prompt.name === "consent" && ctx.method === "GET") return await finish({ consent: {} })
    if (ctx.method === "GET") return signInPage(ctx, people, forWhom)
    // A browser says how long a form is.
    if (!(Number(ctx.get("content-length") || Number.NaN) <= MAX_FORM_BYTES)) ctx.throw(413)
    const form = new URLSearchParams(await text(ctx.req))
    const person = people.find(({ sub }) => sub === form.get("person"))
    if (person !== undefined) return await finish({ login: { accountId: person.sub } })
    if (form.has("cancel")) return await finish({ error: "access_denied", error_description: "the person said no" })
    return signInPage(ctx, people, forWhom)

    async function finish(result: Parameters<Provider["interactionFinished"]>[2]): Promise<void> {
      ctx.respond = false
      await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false })
    }
  })
}

/** Nobody is asked what they consent to: whoever signs in grants what was asked for. */
export async function implicitGrant(ctx: KoaContextWithOIDC, audience: string | undefined): Promise<Grant | undefined> {
  const { client, session, provider } = ctx.oidc
  const accountId = session?.accountId
  if (client === undefined || session === undefined || accountId === undefined) return undefined
  const known = session.grantIdFor(client.clientId)
  const found = known === undefined ? undefined : await provider.Grant.find(known)
  if (found?.accountId === accountId) return found
  const grant = new provider.Grant({ clientId: client.clientId, accountId })
  grant.addOIDCScope("openid profile email")
  if (audience !== undefined) grant.addResourceScope(audience, "")
  await grant.save()
  return grant
}
