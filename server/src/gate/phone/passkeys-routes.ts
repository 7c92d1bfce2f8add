import { z } from "zod"
import type { Principal } from "#agents"
import { type RegistrationAnswer, registrationSchema } from "#approvals"
import { type Route, route } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import { seeOther } from "../consent/pages/page.ts"
import { placeOf, type Visit, visitOf } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { chosen } from "./language.ts"
import { ownForm, requireOwn, requireSignedIn } from "./own-form.ts"
import { forSignedIn } from "./page.ts"
import {
  addPasskey,
  creationOptions,
  loseDevice,
  lostPath,
  type NewForm,
  newPath,
  passkeysPath,
  showLost,
  showNew,
  showPasskeys,
  vouchingOptions,
} from "./passkeys.ts"

type Fields = { [name: string]: string }

const language = z.object({ language: z.string().max(10).optional() }) as unknown as z.ZodType<Fields>
const token = z.string().max(100)
const formOnly = z.object({ form: token })
const named = z.object({ form: token, label: z.string().max(200) })
const added = z.object({
  form: token,
  label: z.string().max(200),
  answer: z.string().max(32_768),
  vouching: z.string().max(32_768).optional(),
}) as z.ZodType<NewForm & { form: string }>
const asked = z.strictObject({ form: token })
const vouching = z.object({ form: token, answer: registrationSchema })

/** The pages on which people look after their passkeys. */
export function passkeyRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [...pages(rooms), ...forms(rooms), ...scripts(rooms)]
}

type Show = (rooms: Rooms, visit: Visit, known: SignedInBrowser) => Promise<Response>

function pages(rooms: Rooms): Route<Principal | null, never>[] {
  const page = (path: string, summary: string, show: Show) =>
    route<Principal | null, undefined>({
      method: "GET",
      path,
      listeners: ["web"],
      right: "public",
      events: null,
      summary,
      query: language,
      isPage: true,
      handle({ headers, query }) {
        const visit = chosen(visitOf(rooms, headers), query["language"])
        return forSignedIn(rooms, visit, path, (known) => show(rooms, visit, known))
      },
    })
  return [
    page(passkeysPath, "The user's passkeys", showPasskeys),
    page(newPath, "How a passkey is added, by whoever signed in just now", showNew),
    page(lostPath, "What saying that a device is lost does", showLost),
  ]
}

function forms(rooms: Rooms): Route<Principal | null, never>[] {
  const { passkeys } = rooms.approvals
  const back = (visit: Visit) => seeOther(placeOf(visit.issuer, passkeysPath), visit.setCookies)
  return [
    ownForm<NewForm & { form: string }>(rooms, {
      path: passkeysPath,
      summary: "Let a passkey in that the page had made",
      events: ["approvals.passkey-enrolled", "approvals.passkey-suspected"],
      body: added,
      work: (known, { visit, body }) => addPasskey(rooms, visit, { known, form: body }),
    }),
    ownForm(rooms, {
      path: "/me/passkeys/{id}/name",
      summary: "Call a passkey something else",
      events: ["approvals.passkey-renamed"],
      body: named,
      async work({ user }, { visit, body, params }) {
        await rooms.audit.commit(passkeys.rename({ id: params["id"]!, user: user.id, label: body.label }))
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: "/me/passkeys/{id}/revocation",
      summary: "Revoke one of the user's passkeys",
      events: ["approvals.passkey-revoked"],
      body: formOnly,
      async work({ user }, { visit, params }) {
        await rooms.audit.commit(passkeys.revoke({ id: params["id"]!, user: user.id }))
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: lostPath,
      summary: "Revoke every passkey, withdraw what waits, and sign out everywhere",
      events: [
        "approvals.device-lost",
        "approvals.passkey-revoked",
        "approvals.withdrawn",
        "approvals.grant-revoked",
        "approvals.contact-forgotten",
        "approvals.stand-in-revoked",
      ],
      body: formOnly,
      work: (known, { visit }) => loseDevice(rooms, visit, known),
    }),
  ]
}

/** What pages ask for while a passkey is made. */
function scripts(rooms: Rooms): Route<Principal | null, never>[] {
  const script = <Body extends { form: string }>(
    path: string,
    { summary, body }: { summary: string; body: z.ZodType<Body> },
    work: (known: SignedInBrowser, visit: Visit, body: Body) => Promise<object>,
  ) =>
    route<Principal | null, Body>({
      method: "POST",
      path,
      listeners: ["web"],
      right: "public",
      events: null,
      summary,
      body,
      async handle({ headers, body: given }) {
        const visit = visitOf(rooms, headers, "script")
        requireOwn(visit, path, given.form)
        return await work(await requireSignedIn(rooms, visit), visit, given)
      },
    })
  return [
    script("/me/passkeys/options", { summary: "What a page makes a passkey with", body: asked }, (known, visit) =>
      creationOptions(rooms, visit, known),
    ),
    script<{ form: string; answer: RegistrationAnswer }>(
      "/me/passkeys/vouching",
      { summary: "What a page has an older passkey sign for a new one with", body: vouching },
      (known, _, { answer }) => vouchingOptions(rooms, known, answer),
    ),
  ]
}
