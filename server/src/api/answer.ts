import type { ServerResponse } from "node:http"
import type { Http2Bindings, HttpBindings } from "@hono/node-server"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"

// RFC 6749 §5.1 asks it of token answers; nothing of ours may rest in a cache unless its route says so itself.
const HEADERS = { "content-type": "application/json", "cache-control": "no-store" }

/**
 * Answers with a value as JSON. Onto a connection it is written at once, head and body in one piece: a Response would be
 * taken apart into a stream and put together again, at the price of all the rest of a decision. `more` are headers.
 */
export function answerJson(
  { outgoing }: HttpBindings | Http2Bindings,
  status: number,
  value: unknown,
  more?: Readonly<Record<string, string>>,
): Response {
  const body = JSON.stringify(value)
  if (!isHttp1(outgoing)) return new Response(body, { status, headers: { ...HEADERS, ...more } })
  outgoing.writeHead(status, { ...HEADERS, ...more, "content-length": Buffer.byteLength(body) }).end(body)
  return RESPONSE_ALREADY_SENT
}

/** Absent where the application is asked without a connection. */
function isHttp1(outgoing: (HttpBindings | Http2Bindings)["outgoing"] | undefined): outgoing is ServerResponse {
  return outgoing !== undefined && !("stream" in outgoing)
}
