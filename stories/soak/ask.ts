import { request } from "node:https"
import { openTransport, peerOf, SafeconductError } from "@safeconduct/sdk"
import type { Desk } from "./tasks.ts"

/** Answer to a session that was opened. */
export type Opened = { session: { id: string }; accessToken: string }

/** Answer to an action. */
export type Acted = { entry: string; verdict: string }

/** Answer to an action that is a credential; nothing of it when the verdict is no. */
export type Leased = Acted & {
  lease?: { id: string }
  credential?: { host: string; port: number; database: string; user: string; password: string }
}

/** Calls at one server, without the SDK's keeping. */
export type Ask = Disposable & {
  call<T>(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<T>
  act<T = Acted>(
    session: string,
    action: { type: string; operation: string; resource: string },
    key: string,
  ): Promise<T>
  /** A token from the token endpoint (RFC 6749 §4.4.2 over mutual TLS). */
  token(session: string): Promise<string>
}

/** As this agent's instance, at one of the two servers. */
export function askAt({ safeconduct, order }: Desk, nth: number): Ask {
  const peer = { ...peerOf(safeconduct.identity), url: order.urls[nth]! }
  const transport = openTransport(peer)
  return {
    call: (method, path, body) => transport.json({ method, path, ...(body && { body }), maxAttempts: 2 }),
    act: (session, action, idempotencyKey) =>
      transport.json({
        method: "POST",
        path: "/v1/actions",
        body: { session, action },
        idempotencyKey,
        maxAttempts: 2,
      }),
    token: (session) => fetchToken(peer, session),
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  }
}

type Peer = ReturnType<typeof peerOf>

function fetchToken({ url, bundle, credentials }: Peer, session: string): Promise<string> {
  const form = new URLSearchParams({ grant_type: "client_credentials", safeconduct_session: session }).toString()
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown) => reject(new SafeconductError("unreachable", "no token came", { cause }))
    const outgoing = request(
      new URL("/oauth2/token", url),
      {
        method: "POST",
        ca: bundle,
        ...(credentials && { key: credentials.key, cert: credentials.svid }),
        minVersion: "TLSv1.3",
        // This program's own server: who answers on this address is not what is tried here.
        checkServerIdentity: () => undefined,
        headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(form) },
        signal: AbortSignal.timeout(15_000),
        agent: false,
      },
      (response) => {
        let text = ""
        response.on("error", failed)
        response.on("data", (part) => {
          text += part
        })
        response.on("end", () => {
          try {
            const answer = JSON.parse(text) as { access_token?: string; error?: string }
            if (answer.access_token !== undefined) return resolve(answer.access_token)
            reject(new SafeconductError(answer.error ?? "unexpected-answer", `status ${response.statusCode}`))
          } catch (cause) {
            failed(cause)
          }
        })
      },
    )
    outgoing.on("error", failed)
    outgoing.end(form)
  })
}
