import type { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, type RouteRequest, route } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { formToken, requireOwnForm } from "../consent/form.ts"
import { signedInOf, type Visit, visitOf } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"

/** What came with a form. */
export type Sent<Body> = { visit: Visit; body: Body; params: { [name: string]: string } }

/** A form of somebody's own page, and what it does. */
export type OwnForm<Body> = {
  path: string
  summary: string
  events: readonly string[] | null
  body: z.ZodType<Body>
  work: (known: SignedInBrowser, sent: Sent<Body>) => Promise<Response>
}

/** A form of one of the pages: sent by that page, in a browser that somebody is signed in with. */
export function ownForm<Body extends { form: string }>(
  rooms: Rooms,
  { path, work, ...rest }: OwnForm<Body>,
): Route<Principal | null, never> {
  return route<Principal | null, Body>({
    ...rest,
    method: "POST",
    path,
    listeners: ["web"],
    right: "public",
    bodyType: "form",
    isPage: true,
    async handle({ params, body, headers }: RouteRequest<Principal | null, Body>) {
      const visit = visitOf(rooms, headers)
      const own = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!)
      requireOwn(visit, own, body.form)
      return await work(await requireSignedIn(rooms, visit), { visit, body, params })
    },
  })
}

/** Tokens of a visit's forms, by their paths. */
export function tokensOf({ cookies }: Visit): (path: string) => string {
  return (path) => formToken(cookies.signedIn!, path)
}

/** Refuses what was not sent by the page that it belongs to. Throws `invalid-request`. */
export function requireOwn({ issuer, headers, cookies }: Visit, path: string, token: string | undefined): void {
  requireOwnForm({ issuer, headers, cookie: cookies.signedIn, path }, token)
}

/** Who is signed in with the browser. Throws `login-required`. */
export async function requireSignedIn(rooms: Rooms, visit: Visit): Promise<SignedInBrowser> {
  const known = await signedInOf(rooms, visit)
  if (known !== null) return known
  throw new Refusal("login-required", "You are not signed in any more. Open the page again.")
}
