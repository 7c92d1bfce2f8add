import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { withPlaces } from "../approve/person.ts"
import { requireOwnForm } from "../consent/form.ts"
import { signedInOf, type Visit, visitOf } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { assetRoutes } from "./assets.ts"
import { challenge, challengeBody, decide, decisionBody } from "./decide.ts"
import { forSignedIn } from "./page.ts"
import { showApproval, showHistory, showInbox } from "./show.ts"
import { stateFor } from "./state.ts"

type Fields = { [name: string]: string }
type AnyRoute = Route<Principal | null, never>

const language = z.strictObject({ language: z.string().max(10).optional() })
const shown = language.extend({
  without: z
    .string()
    .max(1_000)
    .optional()
    .meta({ description: "Requests that are drawn without their tick, by dots" }),
})

/** What people are asked, and answer, on a phone. */
export function phoneRoutes(rooms: Rooms): AnyRoute[] {
  return [...scripts(rooms), ...pages(rooms), decision(rooms), ...assetRoutes()]
}

function pages(rooms: Rooms): AnyRoute[] {
  const page = (
    path: string,
    summary: string,
    draw: (
      visit: Visit,
      known: SignedInBrowser,
      given: { id: string; language?: string | undefined; without?: string | undefined },
    ) => Promise<Response>,
    query: z.ZodType = language,
  ) =>
    route<Principal | null, undefined>({
      method: "GET",
      path,
      listeners: ["web"],
      right: "public",
      events: null,
      summary,
      query: query as z.ZodType<Fields>,
      isPage: true,
      async handle({ params, query: { language, without }, headers }) {
        const visit = visitOf(rooms, headers)
        const id = params["id"] ?? ""
        const own = path.replace("{id}", id)
        return await forSignedIn(rooms, visit, own, async (known) => {
          return await draw(visit, await withPlaces(rooms, known), { id, language, without })
        })
      },
    })
  return [
    page("/approvals", "What waits for the decision of whoever is signed in", (visit, known, { language }) =>
      looked(rooms, visit, known, { at: null, drawing: showInbox(rooms, visit, known, language) }),
    ),
    page("/approvals/history", "What whoever is signed in was asked before", (visit, known, { language }) =>
      showHistory(rooms, visit, known, language),
    ),
    page(
      "/approvals/{id}",
      "A request's card; looking at it decides nothing",
      (visit, known, given) =>
        looked(rooms, visit, known, { at: given.id, drawing: showApproval(rooms, visit, known, given) }),
      shown,
    ),
  ]
}

/**
 * What somebody looked at, a request or with null all that wait, they are told of by no other channel. Not what another site led
 * their browser to: it would keep them from being told.
 */
async function looked(
  { approvals }: Rooms,
  { headers }: Visit,
  { user }: SignedInBrowser,
  { at, drawing }: { at: string | null; drawing: Promise<Response> },
): Promise<Response> {
  const drawn = await drawing
  if (headers.get("sec-fetch-site") !== "cross-site") await approvals.notices.seen(user.id, at)
  return drawn
}

/** What scripts of those pages ask. */
function scripts(rooms: Rooms): AnyRoute[] {
  const state = (path: string, summary: string) =>
    route<Principal | null, undefined>({
      method: "GET",
      path,
      listeners: ["web"],
      right: "public",
      events: null,
      summary,
      answer: z.object({ state: z.string() }),
      async handle({ params, headers }) {
        const known = await signedInOf(rooms, visitOf(rooms, headers, "script"))
        return await stateFor(rooms, known && (await withPlaces(rooms, known)), params["id"] ?? null)
      },
    })
  return [
    state("/approvals/state", "Names what is in the inbox, for a page that looks whether there is something new"),
    state("/approvals/{id}/state", "What became of a request, for a page that shows it"),
    route<Principal | null, z.infer<typeof challengeBody>>({
      method: "POST",
      path: "/approvals/{id}/challenge",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "What would be signed to approve what was chosen on a card's page, and the passkey's challenge for it",
      body: challengeBody,
      answer: z.object({ statements: z.array(z.string()), options: z.record(z.string(), z.unknown()) }),
      async handle({ params, body, headers }) {
        const { known, id } = await ownForm(rooms, visitOf(rooms, headers, "script"), params, "challenge", body.form)
        return await challenge(rooms, known, id, body)
      },
    }),
  ]
}

function decision(rooms: Rooms): AnyRoute {
  return route<Principal | null, z.infer<typeof decisionBody>>({
    method: "POST",
    path: "/approvals/{id}/decision",
    listeners: ["web"],
    right: "public",
    events: [
      "approvals.decided",
      "approvals.approved",
      "approvals.denied",
      "approvals.extended",
      "approvals.reported",
      "approvals.withdrawn",
      "agents.suspended",
      "sessions.ended",
      "credentials.lease-revoked",
    ],
    summary: "Approve once, deny, deny and report, or take more time, from a card's page",
    body: decisionBody,
    bodyType: "form",
    isPage: true,
    async handle({ params, body, headers }) {
      const visit = visitOf(rooms, headers)
      const { known, id } = await ownForm(rooms, visit, params, "decision", body.form)
      return await decide(rooms, visit, known, { id, body })
    },
  })
}

/** Whoever sent a form of a card's page that was drawn for them. Throws `invalid-request`, `login-required`. */
async function ownForm(
  rooms: Rooms,
  visit: Visit,
  params: Fields,
  what: "challenge" | "decision",
  token: string,
): Promise<{ known: SignedInBrowser; id: string }> {
  const id = params["id"]!
  const { headers, issuer, cookies } = visit
  requireOwnForm({ headers, issuer, cookie: cookies.signedIn, path: `/approvals/${id}/${what}` }, token)
  const known = await signedInOf(rooms, visit)
  if (known !== null) return { known: await withPlaces(rooms, known), id }
  throw new Refusal("login-required", "You are not signed in any more. Open the page again.")
}
