import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, type RouteRequest, route } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { comeBackFromStepUp } from "../approve/step-up.ts"
import type { Rooms } from "../rooms.ts"
import { authorize, proceed, proceedSignedIn, pushRequest } from "./authorize.ts"
import { setCookie } from "./cookies.ts"
import { ownRequest, showConsent, takeDecision } from "./decide.ts"
import { providerLogout } from "./logout.ts"
import { endAllMine, endMine, requireMine, revokeMine, revokeMyLeave, showMine, signOut } from "./me.ts"
import { seeOther } from "./pages/page.ts"
import { beginAt, comeBack, sendToProvider } from "./sign-in.ts"
import { afterSignIn, placeOf, signedInOf, type Visit, visitOf } from "./visit.ts"

type Fields = { [name: string]: string }
type Request<Body = undefined> = RouteRequest<Principal | null, Body>

/** RFC 6749 §3.1: a parameter without a value is one that was left out, and an unknown one is passed over. */
const parameters = z.record(z.string(), z.string()).transform((given) => {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""))
}) as unknown as z.ZodType<Fields>
const fields = z.record(z.string().max(100), z.string().max(200)) as z.ZodType<Fields>
const ownForm = z.object({ form: z.string().max(100) })
const pushed = z.object({ request_uri: z.string(), expires_in: z.int() })

/** What users and their browsers come to, and the requests that send them here. */
export function consentRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [...endpoints(rooms), ...signInRoutes(rooms), ...consentPages(rooms), ...ownPages(rooms)]
}

function endpoints(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, Fields>({
      method: "POST",
      path: "/oauth2/par",
      listeners: ["agents", "web"],
      right: "agent",
      events: null,
      summary: "Push an authorization request (RFC 9126)",
      body: parameters,
      bodyType: "form",
      answer: pushed,
      status: 201,
      async handle({ caller, body }) {
        if (caller?.kind !== "agent") throw new Refusal("wrong-role", "Only an agent may do this.")
        return await pushRequest(rooms, caller, body)
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/oauth2/authorize",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "Ask a user for their consent: code flow with PKCE (RFC 6749, 7636, 9126, 9396)",
      query: parameters,
      isPage: true,
      handle: ({ query, headers }) => authorize(rooms, visitOf(rooms, headers), query),
    }),
  ]
}

function signInRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/sign-in/{provider}",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "Sign in at that provider, for a request or to one's own page",
      query: z.strictObject({ request: z.string().max(100).optional() }) as unknown as z.ZodType<Fields>,
      isPage: true,
      async handle({ params, query, headers }) {
        const visit = visitOf(rooms, headers)
        const { request: id } = query
        const request = id === undefined ? null : await ownRequest(rooms, visit, id)
        return await beginAt(rooms, visit, params["provider"]!, request)
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/sign-in/{provider}/callback",
      listeners: ["web"],
      right: "public",
      events: [
        "sessions.signed-in",
        "sessions.user-known",
        "sessions.operator-without-role",
        "approvals.decided",
        "approvals.approved",
      ],
      summary: "Where that provider sends users back to",
      query: parameters,
      isPage: true,
      async handle({ params, query, headers }) {
        const visit = visitOf(rooms, headers)
        const stepUp = await comeBackFromStepUp(rooms, visit, params["provider"]!, query)
        if (stepUp !== null) return stepUp
        const back = await comeBack(rooms, visit, params["provider"]!, query)
        if ("answer" in back) return back.answer
        const signedIn = { ...visit, setCookies: back.setCookies }
        if (back.request !== null) return await proceedSignedIn(rooms, signedIn, back.request, back.seen)
        const cookies = [...back.setCookies, setCookie(visit.issuer, "after", null)]
        return seeOther(afterSignIn(visit) ?? placeOf(visit.issuer, "/me"), cookies)
      },
    }),
    route<Principal | null, { logout_token: string }>({
      method: "POST",
      path: "/sign-in/{provider}/logout",
      listeners: ["web"],
      right: "public",
      events: ["sessions.ended", "credentials.lease-revoked", "agents.operator-signed-out"],
      summary: "Where that provider tells that a session of a user's has ended (OpenID Connect Back-Channel Logout)",
      body: z.object({ logout_token: z.string().max(16_384) }),
      bodyType: "form",
      async handle({ params, body }) {
        await providerLogout(rooms, params["provider"]!, body.logout_token)
        return {}
      },
    }),
  ]
}

function consentPages(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/consent/{id}",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "What an agent asks for, shown to the user who is to decide",
      isPage: true,
      async handle({ params, headers }) {
        const visit = visitOf(rooms, headers)
        const request = await ownRequest(rooms, visit, params["id"]!)
        return request.state === "begun"
          ? await proceed(rooms, visit, request)
          : await showConsent(rooms, visit, request)
      },
    }),
    route<Principal | null, Fields>({
      method: "POST",
      path: "/consent/{id}",
      listeners: ["web"],
      right: "public",
      events: ["sessions.consent-given", "sessions.consent-denied"],
      summary: "The user's answer",
      body: fields,
      bodyType: "form",
      isPage: true,
      async handle({ params, body, headers }) {
        const visit = visitOf(rooms, headers)
        return await takeDecision(rooms, visit, await ownRequest(rooms, visit, params["id"]!), body)
      },
    }),
  ]
}

function ownPages(rooms: Rooms): Route<Principal | null, never>[] {
  const act = (
    path: string,
    { summary, events }: { summary: string; events: readonly string[] },
    work: (known: SignedInBrowser, params: Fields, visit: Visit) => Promise<Response> | Promise<void>,
  ) =>
    route<Principal | null, { form: string }>({
      method: "POST",
      path,
      listeners: ["web"],
      right: "public",
      events,
      summary,
      body: ownForm,
      bodyType: "form",
      isPage: true,
      async handle({ params, body, headers }: Request<{ form: string }>) {
        const visit = visitOf(rooms, headers)
        const own = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!)
        requireMine(visit, own, body.form)
        const known = await signedInOf(rooms, visit)
        if (known === null) throw new Refusal("login-required", "You are not signed in any more. Open your page again.")
        const answer = await work(known, params, visit)
        return answer ?? seeOther(placeOf(visit.issuer, "/me"), visit.setCookies)
      },
    })
  const ending = ["sessions.ended", "credentials.lease-revoked"]
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/me",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "The user's own page: which agents act for them, and what they allowed",
      isPage: true,
      async handle({ headers }) {
        const visit = visitOf(rooms, headers)
        const known = await signedInOf(rooms, visit)
        return known === null ? await sendToProvider(rooms, visit, null) : await showMine(rooms, visit, known)
      },
    }),
    act("/me/sessions/{id}/end", { summary: "End what an agent does for the user", events: ending }, (known, { id }) =>
      endMine(rooms, known, id!),
    ),
    act(
      "/me/consents/{id}/revocation",
      { summary: "Take a consent back; what was opened by it ends", events: ["sessions.consent-revoked", ...ending] },
      (known, { id }) => revokeMine(rooms, known, id!),
    ),
    act(
      "/me/grants/{id}/revocation",
      { summary: "Take back leave for more of what the user approved", events: ["approvals.grant-revoked"] },
      (known, { id }) => revokeMyLeave(rooms, known, id!),
    ),
    act(
      "/me/everything",
      { summary: "End everything, and take every consent back", events: ["sessions.consent-revoked", ...ending] },
      (known) => endAllMine(rooms, known),
    ),
    act(
      "/me/sign-out",
      { summary: "Sign out here, and at the provider", events: ["sessions.signed-out"] },
      (known, _, visit) => signOut(rooms, visit, known),
    ),
  ]
}
