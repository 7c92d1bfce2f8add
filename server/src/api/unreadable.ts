import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Server as TlsServer } from "node:https"
import type { Duplex } from "node:stream"
import { type Log, Refusal } from "#kernel"
import { problemResponse } from "./problem.ts"

/** How long whoever is refused may take to read why. */
const LINGER_MS = 1_000

/** What Node's parser and its timers say of a connection, and what we say for it; for everything else `invalid-request`. */
const refusals: { readonly [code: string]: Refusal } = {
  HPE_HEADER_OVERFLOW: new Refusal("headers-too-large", "The headers are larger than 16 KiB."),
  ERR_HTTP_REQUEST_TIMEOUT: new Refusal("request-too-slow", "The request did not arrive in time. Send it again."),
}
const unreadable = new Refusal("invalid-request", "What was sent is no HTTP request that is taken here.")
const unexpected = new Refusal("expectation-failed", "The Expect header asks for what is not done here.")

/**
 * Answers what never becomes a request, because it is no HTTP, too much or too late, or expects what nobody does here: with a
 * refusal like any other, where Node by itself says nothing but a number. The connection ends with it.
 */
export function answerUnreadable(server: Server | TlsServer, log: Log): void {
  // Written beforehand: after the event that asks for it Node closes the connection, and does not wait.
  const written = new Map<Refusal, string>()
  for (const refusal of [...Object.values(refusals), unreadable]) {
    void write(refusal, log).then((text) => written.set(refusal, text))
  }
  const underWay = new WeakMap<Duplex, ServerResponse>()
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => underWay.set(socket, response))
  // Of a TLS server, `connection` is about the socket below: a handshake that failed is about none of these.
  const open = new WeakSet<Duplex>()
  for (const event of ["connection", "secureConnection"]) server.on(event, (socket: Duplex) => open.add(socket))
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const text = written.get(refusals[error.code ?? ""] ?? unreadable)
    const other = underWay.get(socket)
    // In the middle of another answer these bytes would be read as part of it.
    const isBusy = other?.headersSent === true && !other.writableFinished
    if (text === undefined || isBusy || !open.has(socket) || !socket.writable) return void socket.destroy()
    socket.end(text)
    // Closed at once, with something unread, the answer would be lost on its way; never closed, it would be kept open.
    const cut = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.resume().once("close", () => clearTimeout(cut))
  })
  server.on("checkExpectation", async (_: IncomingMessage, response: ServerResponse) => {
    const answer = problemResponse(unexpected, log)
    const text = await answer.text()
    const length = { "content-length": Buffer.byteLength(text), connection: "close" }
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length }).end(text)
  })
}

async function write(refusal: Refusal, log: Log): Promise<string> {
  const answer = problemResponse(refusal, log)
  const text = await answer.text()
  const lines = [...answer.headers, ["content-length", Buffer.byteLength(text)], ["connection", "close"]]
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  return `HTTP/1.1 ${answer.status} Refused\r\n${head}\r\n${text}`
}
