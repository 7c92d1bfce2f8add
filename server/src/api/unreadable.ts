import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Server as TlsServer } from "node:https"
import type { Duplex } from "node:stream"
import { type Log, Refusal } from "#kernel"
import { problemResponse } from "./problem.ts"

/**
 * Answers what never becomes a request, because it is no HTTP, too much or too late, or expects what nobody does here: with a
 * refusal like any other, where Node by itself says nothing but a number. The connection ends with it.
 */
export function answerUnreadable(server: Server | TlsServer, log: Log): void {
  const underWay = new WeakMap<Duplex, ServerResponse>()
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => underWay.set(socket, response))
  // Of a TLS server, `connection` is about the socket below: a handshake that failed is about none of these.
  const open = new WeakSet<Duplex>()
  for (const event of ["connection", "secureConnection"]) server.on(event, (socket: Duplex) => open.add(socket))
  server.on("clientError", async (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!open.has(socket) || !socket.writable) return void socket.destroy()
    const answer = problemResponse(refusalOf(error), log)
    const text = await answer.text()
    const other = underWay.get(socket)
    // In the middle of another answer these bytes would be read as part of it.
    const isBusy = other?.headersSent === true && !other.writableFinished
    if (isBusy) return void socket.destroy()
    const lines = [...answer.headers, ["content-length", Buffer.byteLength(text)], ["connection", "close"]]
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
    // Not only our half: whoever sends slowly would keep the other open.
    socket.end(`HTTP/1.1 ${answer.status} Refused\r\n${head}\r\n${text}`, () => socket.destroy())
  })
  server.on("checkExpectation", async (_: IncomingMessage, response: ServerResponse) => {
    const answer = problemResponse(
      new Refusal("expectation-failed", "The Expect header asks for what is not done here."),
      log,
    )
    const text = await answer.text()
    const length = { "content-length": Buffer.byteLength(text), connection: "close" }
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length }).end(text)
  })
}

function refusalOf(cause: NodeJS.ErrnoException): Refusal {
  if (cause.code === "HPE_HEADER_OVERFLOW") {
    return new Refusal("headers-too-large", "The headers are larger than 16 KiB.", { cause })
  }
  if (cause.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new Refusal("request-too-slow", "The request did not arrive in time. Send it again.", { cause })
  }
  return new Refusal("invalid-request", "What was sent is no HTTP request that is taken here.", { cause })
}
