import type { Application } from "#api"
import { type Rooms, signedInWith } from "#gate"
import { type Log, parseJson, Refusal, refusalCode } from "#kernel"
import { liveOf } from "./live.ts"
import { pageOf, passkeyScript } from "./page.ts"
import { decideAs, type Phones } from "./phone.ts"

/** What the programs for development stand around: the listener for browsers, and the one for who runs it. */
export type Studio = { web(inner: Application): Application; ops(inner: Application): Application }

/**
 * A page that shows what happens beside somebody's phone, and a person who can be played by hand or by a program. For `dev` alone,
 * on loopback: it frames pages that are framed nowhere else, and signs people in by a click.
 */
export function openStudio(rooms: Rooms, phones: Phones, log: Log): Studio {
  const origin = new URL(rooms.sessions.issuer).origin
  const answer = async (request: Request): Promise<Response | null> => {
    const { pathname } = new URL(request.url)
    switch (`${request.method} ${pathname}`) {
      case "GET /dev":
        return pageOf()
      case "GET /dev/live":
        return Response.json(await liveOf(rooms), noStore)
      case "GET /dev/passkey.js":
        return new Response(passkeyScript, { headers: { ...noStore.headers, "content-type": "text/javascript" } })
      case "POST /dev/phone": {
        requireOwn(request, origin)
        const { cookies } = await phones.open(String((await request.formData()).get("person")))
        const headers = new Headers({ location: "/approvals", "cache-control": "no-store" })
        for (const cookie of cookies) headers.append("set-cookie", cookie)
        return new Response(null, { status: 303, headers })
      }
      case "POST /dev/passkey": {
        requireOwn(request, origin)
        const known = await signedInWith(rooms, request.headers)
        const passkey = known === null ? null : phones.passkeyOf(known.user.id)
        if (passkey === null) return Response.json(null, noStore)
        return Response.json(passkey.get(parseJson(await request.text()) as never, origin), noStore)
      }
      default:
        return null
    }
  }
  return {
    web: (inner) => ({
      async fetch(request, node) {
        try {
          return (await answer(request)) ?? (await framed(inner, request, node))
        } catch (error) {
          return problem(error, log)
        }
      },
    }),
    // For the OpenID conformance suite and its like: a person who answers by a request (its "automated approval URL").
    ops: (inner) => ({
      async fetch(request, node) {
        const { pathname, searchParams } = new URL(request.url)
        if (pathname !== "/dev/approver") return await inner.fetch(request, node)
        try {
          const { id, state } = await automated(rooms, phones, searchParams)
          return Response.json({ approval: id, state }, noStore)
        } catch (error) {
          return problem(error, log)
        }
      },
    }),
  }
}

const noStore = { headers: { "cache-control": "no-store" } }

/** `allow` is the conformance suite's word for it. */
const ACTIONS = new Map<string, "approve" | "deny">([
  ["approve", "approve"],
  ["allow", "approve"],
  ["deny", "deny"],
])

async function automated(rooms: Rooms, phones: Phones, said: URLSearchParams) {
  const action = ACTIONS.get(said.get("action") ?? "")
  if (action === undefined) throw new Refusal("invalid-request", "action is allow (or approve) or deny.")
  const asked = said.get("auth_req_id")
  const approval = asked === null ? said.get("approval") : await rooms.approvals.backchannel.requestOf(asked)
  if (approval === null) throw new Refusal("approval-unknown", "Name a request: auth_req_id, or approval.")
  return await decideAs(rooms, phones, { approval, action, person: said.get("person") ?? "alice" })
}

/** What is sent to by no page but ours. */
function requireOwn(request: Request, origin: string): void {
  if (request.headers.get("origin") === origin) return
  throw new Refusal("invalid-request", "Only the development page may ask this.")
}

/** A page of ours inside of the development page: let it be drawn there, with a passkey that needs no device. */
async function framed(inner: Application, request: Request, node: object | undefined): Promise<Response> {
  const { headers } = request
  const isFramed = headers.get("sec-fetch-dest") === "iframe" && headers.get("sec-fetch-site") !== "cross-site"
  if (!isFramed) return await inner.fetch(request, node)
  const { method, url } = request
  const inWindow = new Headers(headers)
  inWindow.set("sec-fetch-dest", "document")
  const body = method === "GET" || method === "HEAD" ? null : await request.arrayBuffer()
  // Without the platform's own request, its answer is one that can be changed.
  const response = await inner.fetch(new Request(url, { method, headers: inWindow, body }), {})
  const framing = new Headers(response.headers)
  framing.delete("x-frame-options")
  const policy = framing.get("content-security-policy")
  if (policy !== null)
    framing.set("content-security-policy", policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'"))
  if (!(framing.get("content-type") ?? "").startsWith("text/html")) {
    return new Response(response.body, { status: response.status, headers: framing })
  }
  framing.delete("content-length")
  const page = (await response.text()).replace("</head>", '<script src="/dev/passkey.js"></script>\n</head>')
  return new Response(page, { status: response.status, headers: framing })
}

function problem(error: unknown, log: Log): Response {
  const code = refusalCode(error) ?? "internal"
  if (!(error instanceof Refusal)) log.error("the development page failed", { error })
  const detail = error instanceof Refusal ? error.message : "See the log."
  return Response.json({ code, detail }, { ...noStore, status: error instanceof Refusal ? 400 : 500 })
}
