import { z } from "zod"
import type { Principal } from "#agents"
import { FRESH_SECONDS } from "#approvals"
import { type Route, route } from "#kernel"
import { seeOther } from "../consent/pages/page.ts"
import { placeOf, type Visit, visitOf } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { chosen } from "./language.ts"
import {
  adoptAddress,
  appointStandIn,
  endStandIn,
  keepWishes,
  offerContact,
  showNotifications,
  subscribeBrowser,
} from "./notifications.ts"
import { notificationsPath } from "./notifications-page.ts"
import { ownForm } from "./own-form.ts"
import { forSignedIn } from "./page.ts"
import { signInAnew } from "./passkeys.ts"

type Fields = { [name: string]: string }
type AnyRoute = Route<Principal | null, never>

const shown = z.object({
  language: z.string().max(10).optional(),
  anew: z.literal("yes").optional(),
}) as unknown as z.ZodType<Fields>
const token = z.string().max(100)
const only = z.object({ form: token })
const wishes = z.object({
  form: token,
  language: z.string().max(10),
  from: z.string().max(5),
  to: z.string().max(5),
  timeZone: z.string().max(60),
})
const subscribed = z.object({ form: token, subscription: z.string().max(4_096) })
const offered = z.object({ form: token, kind: z.enum(["email", "sms"]), value: z.string().max(254) })
const entered = z.object({ form: token, code: z.string().max(20) })
/** Beside these a field for each group that was ticked. */
const appointed = z
  .record(z.string().max(100), z.string().max(255))
  .refine(({ form, subject, days }) => form !== undefined && !!subject && /^\d{1,2}$/.test(days ?? ""), {
    message: "a form of this page has who, and for how many days",
  }) as unknown as z.ZodType<Fields & { form: string }>

/** The page on which people say how they are told, and what devices say of a message. */
export function notificationRoutes(rooms: Rooms): AnyRoute[] {
  return [page(rooms), ...contactForms(rooms), ...otherForms(rooms), receipt(rooms)]
}

function page(rooms: Rooms): AnyRoute {
  return route<Principal | null, undefined>({
    method: "GET",
    path: notificationsPath,
    listeners: ["web"],
    right: "public",
    events: ["approvals.push-key-made"],
    summary: "How the user is told that something waits, when not, and who stands in for them",
    query: shown,
    isPage: true,
    handle({ headers, query }) {
      const visit = chosen(visitOf(rooms, headers), query["language"])
      const isAsked = query["anew"] === "yes"
      return forSignedIn(rooms, visit, notificationsPath, (known) =>
        isAsked && known.ageSeconds > FRESH_SECONDS
          ? signInAnew(rooms, visit, known, notificationsPath)
          : showNotifications(rooms, visit, known),
      )
    },
  })
}

function contactForms(rooms: Rooms): AnyRoute[] {
  const { people } = rooms.approvals
  return [
    ownForm(rooms, {
      path: `${notificationsPath}/push`,
      summary: "Tell the user by push, in the browser that the form comes from",
      events: ["approvals.contact-verified"],
      body: subscribed,
      async work(known, { visit, body }) {
        await subscribeBrowser(rooms, known, body.subscription)
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/provider-address`,
      summary: "Tell the user by e-mail, at the address that their provider says is theirs",
      events: ["approvals.contact-verified"],
      body: only,
      async work(known, { visit }) {
        await adoptAddress(rooms, known)
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/contacts`,
      summary: "Send a code to an address or number, which counts once the code is entered",
      events: ["approvals.contact-offered"],
      body: offered,
      async work(known, { visit, body }) {
        await offerContact(rooms, visit, known, body)
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/contacts/{id}/code`,
      summary: "Enter the code that was sent there",
      events: ["approvals.contact-verified"],
      body: entered,
      async work(known, { visit, body, params }) {
        if (await people.confirm(known.user.id, params["id"]!, body.code.trim())) return back(visit)
        return await showNotifications(rooms, visit, known, ({ wrongCode }) => wrongCode)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/contacts/{id}/removal`,
      summary: "Tell the user there no more",
      events: ["approvals.contact-forgotten"],
      body: only,
      async work({ user }, { visit, params }) {
        await people.remove(user.id, params["id"]!)
        return back(visit)
      },
    }),
  ]
}

function otherForms(rooms: Rooms): AnyRoute[] {
  return [
    ownForm(rooms, {
      path: notificationsPath,
      summary: "Set when and in which language the user is told",
      events: ["approvals.wishes-changed"],
      body: wishes,
      async work(known, { visit, body }) {
        await keepWishes(rooms, known, body)
        return back(visit)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/stand-ins`,
      summary: "Let somebody stand in for the user, as a member of a group",
      events: ["approvals.stand-in-appointed"],
      body: appointed,
      async work(known, { visit, body }) {
        const groups = Object.keys(body).flatMap((name) => (name.startsWith("group-") ? [name.slice(6)] : []))
        const who = { subject: body["subject"]!, days: Number(body["days"]), groups }
        if (await appointStandIn(rooms, known, who)) return back(visit)
        return await showNotifications(rooms, visit, known, ({ standIns }) => standIns.unknown)
      },
    }),
    ownForm(rooms, {
      path: `${notificationsPath}/stand-ins/{id}/revocation`,
      summary: "End that somebody stands in, from either side",
      events: ["approvals.stand-in-revoked"],
      body: only,
      async work(known, { visit, params }) {
        await endStandIn(rooms, known, params["id"]!)
        return back(visit)
      },
    }),
  ]
}

/**
 * What a device says of a message. It comes without cookies: whoever has a notice's id has the message, which was encrypted for
 * them; and all that it does is to keep another channel silent. Every id gets the same answer.
 */
function receipt({ approvals }: Rooms): AnyRoute {
  return route<Principal | null, undefined>({
    method: "POST",
    path: "/approvals/notices/{id}/receipt",
    listeners: ["web"],
    right: "public",
    events: null,
    summary: "A device says that it shows the message of a notice: no other channel is tried for it",
    async handle({ params }) {
      await approvals.notices.received(params["id"]!)
      return new Response(null, { status: 204, headers: { "cache-control": "no-store" } })
    },
  })
}

function back(visit: Visit): Response {
  return seeOther(placeOf(visit.issuer, notificationsPath), visit.setCookies)
}
