import { constants } from "node:crypto"
import { createServer as createPlainServer, type Server } from "node:http"
import { createServer as createTlsServer, type Server as TlsServer } from "node:https"
import {
  type AddressInfo,
  createServer as createSocketServer,
  type Socket,
  type Server as SocketServer,
} from "node:net"
import { getRequestListener } from "@hono/node-server"
import { type Log, Refusal } from "#kernel"
import type { Application } from "./application.ts"
import { ownerOf } from "./limiter.ts"
import { problemResponse } from "./problem.ts"
import { answerUnreadable } from "./unreadable.ts"

/** A port that is ours and that nobody answers at yet. Whoever connects early waits until somebody does. */
export type Reserved = AsyncDisposable & { host: string; port: number; socket: SocketServer; early: Set<Socket> }

/** An open listener. */
export type Listening = AsyncDisposable & {
  host: string
  port: number
  /** Replaces the certificate for handshakes to come; TLS listeners only. */
  setIdentity?: (identity: TlsIdentity) => void
}

/** PEM: private key, and the chain with the leaf first. */
export type TlsIdentity = { key: string; certificates: string }

/** What every listener is made of. */
export type ListenerParts = { app: Application; at: Reserved; log: Log; limits?: Partial<Limits> }

/** What a client may take of a listener; times in milliseconds. */
export type Limits = {
  handshakeMs: number
  headersMs: number
  requestMs: number
  /** How often the two above are looked at. */
  lookMs: number
  /** An idle connection is kept so long. */
  keepAliveMs: number
  connections: number
  /** Of these, how many one address may have; at the agents' listener, where callers are not behind a proxy of ours. */
  connectionsPerAddress: number
}

const LIMITS: Limits = {
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  lookMs: 2_000,
  keepAliveMs: 75_000,
  connections: 10_000,
  connectionsPerAddress: 2_500,
}
/** How long requests under way may take to end when the listener closes. */
const DRAIN_MS = 1_000
const LOOK_IDLE_MS = 20

/** Connections that are kept waiting at a reserved port. */
const MAX_EARLY = 256

/** Takes the port before anything is answered at it; 0 lets the system choose. Throws `not-ready` when it is taken. */
export async function reserve({ host, port }: { host: string; port: number }): Promise<Reserved> {
  const early = new Set<Socket>()
  const socket = createSocketServer({ pauseOnConnect: true }, (each) => {
    if (early.size >= MAX_EARLY) return void each.destroy()
    early.add(each)
    each.on("error", () => undefined).once("close", () => early.delete(each))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(`${host}:${port}`, cause)))
    socket.listen(port, host, resolve)
  })
  return {
    host,
    port: (socket.address() as AddressInfo).port,
    socket,
    early,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => socket.close(resolve))
      for (const each of early) each.destroy()
      await closed
    },
  }
}

/**
 * The agents' listener: TLS 1.3 only (RFC 8446). A client certificate is asked for and its key proven by the handshake;
 * whether the certificate is good is judged per request by the application, because Node's TLS accepts leaves that SPIFFE
 * forbids and enrolment has none. No session tickets: a resumed session has the leaf without its intermediate, and would
 * carry a judgement that is no longer true.
 */
export function listenTls(
  parts: ListenerParts & { identity: TlsIdentity; roots: string[] },
): Listening & Required<Pick<Listening, "setIdentity">> {
  const { app, identity, roots, log } = parts
  const limits = { ...LIMITS, ...parts.limits }
  // All of it again on each renewal: Node forgets what is not said, and would hand out tickets from then on.
  const contextOf = ({ key, certificates }: TlsIdentity) => ({
    key,
    cert: presented(certificates, roots),
    // Nobody is authorized by Node itself. Where it authorizes, Node 24 looks at the certificate, and the chain is gone then.
    ca: [],
    minVersion: "TLSv1.3" as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  const asking = { requestCert: true, rejectUnauthorized: false, handshakeTimeout: limits.handshakeMs }
  const options = { ...contextOf(identity), ...asking, ...timesOf(limits) }
  const server = createTlsServer(options, requestListener(app, log))
  boundEachAddress(server, limits.connectionsPerAddress)
  server.on("tlsClientError", (error) => log.debug("handshake failed", { error: error.message }))
  return { ...open(server, parts, limits), setIdentity: (renewed) => server.setSecureContext(contextOf(renewed)) }
}

/** The chain with its roots: whoever enrols knows no root yet, only the hash of one, and has to be shown it. */
function presented(certificates: string, roots: readonly string[]): string {
  return [certificates.trim(), ...roots.map((root) => root.trim())].join("\n")
}

/** A plain HTTP listener; only for loopback, or behind a TLS proxy on the same host. */
export function listenPlain(parts: ListenerParts): Listening {
  const limits = { ...LIMITS, ...parts.limits }
  return open(createPlainServer(timesOf(limits), requestListener(parts.app, parts.log)), parts, limits)
}

function timesOf(limits: Limits) {
  return {
    // The application says what is wrong with a request that has no Host.
    requireHostHeader: false,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.lookMs,
    keepAliveTimeout: limits.keepAliveMs,
  }
}

function requestListener(app: Application, log: Log) {
  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // What is no request at all: a Host header or a target that makes no URL.
    errorHandler: (cause) =>
      problemResponse(new Refusal("invalid-request", "The target or the Host header is not valid.", { cause }), log),
  })
}

function open(server: Server | TlsServer, { at, log }: ListenerParts, { connections }: Limits): Listening {
  server.maxConnections = connections
  answerUnreadable(server, log)
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  server.on("error", (error) => log.error("listener failed", { error }))
  // The reserved socket's handle changes hands; closing this server closes it.
  server.listen(at.socket)
  for (const each of at.early) {
    at.early.delete(each)
    server.emit("connection", each)
    each.resume()
  }
  return {
    host: at.host,
    port: at.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      // The server counts only what it accepted itself, not who was waiting before.
      const gone = [...sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)))
      server.closeIdleConnections()
      // Each goes as its request ends, and what is under way gets a moment; then the rest is cut.
      const idle = setInterval(() => server.closeIdleConnections(), LOOK_IDLE_MS)
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, DRAIN_MS)
      await Promise.all([closed, ...gone])
      clearInterval(idle)
      clearTimeout(cut)
    },
  }
}

/**
 * One client cannot take all the room that there is, of IPv6 nobody with a /64. What is beyond its share is closed before the
 * handshake, which is what costs.
 */
export function boundEachAddress(server: Pick<TlsServer, "on">, connectionsPerAddress: number): void {
  const counts = new Map<string, number>()
  server.on("connection", (socket: Socket) => {
    const owner = ownerOf(socket.remoteAddress ?? "")
    const count = (counts.get(owner) ?? 0) + 1
    counts.set(owner, count)
    socket.once("close", () => {
      const left = counts.get(owner)! - 1
      if (left > 0) counts.set(owner, left)
      else counts.delete(owner)
    })
    if (count > connectionsPerAddress) socket.destroy()
  })
}

function cannotListen(address: string, cause: NodeJS.ErrnoException): Refusal {
  const what = cause.code === "EADDRINUSE" ? "is taken by another program" : `cannot be listened at (${cause.code})`
  return new Refusal("not-ready", `The address ${address} ${what}. Free it, or set another.`, { cause })
}
