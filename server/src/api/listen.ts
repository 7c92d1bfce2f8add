import { constants } from "node:crypto"
import { createServer as createPlainServer, type Server } from "node:http"
import { createServer as createTlsServer, type Server as TlsServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { getRequestListener } from "@hono/node-server"
import type { Log } from "#kernel"
import type { createApplication } from "./application.ts"

/** An open listener. */
export type Listening = AsyncDisposable & {
  host: string
  port: number
  /** Replaces the certificate for handshakes to come; TLS listeners only. */
  setIdentity?: (identity: TlsIdentity) => void
}

/** PEM: private key, and the chain with the leaf first. */
export type TlsIdentity = { key: string; certificates: string }

type Application = ReturnType<typeof createApplication>
type Address = { host: string; port: number }

/** How long a client may take for its headers and for a whole request, and how many connections one listener holds. */
const LIMITS = { headersMs: 10_000, requestMs: 30_000, keepAliveMs: 75_000, connections: 10_000 }

/**
 * The agents' listener: TLS 1.3 only (RFC 8446). A client certificate is asked for and its key proven by the handshake;
 * whether the certificate is good is judged per request by the application, because Node's TLS accepts leaves that SPIFFE
 * forbids and enrolment has none. No session tickets: a resumed session would carry a judgement that is no longer true.
 */
export async function listenTls(
  app: Application,
  address: Address,
  identity: TlsIdentity,
  roots: string[],
  log: Log,
): Promise<Listening> {
  const server = createTlsServer(
    {
      key: identity.key,
      cert: presented(identity.certificates, roots),
      ca: roots,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      secureOptions: constants.SSL_OP_NO_TICKET,
    },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  )
  server.on("tlsClientError", (error) => log.debug("handshake failed", { error: error.message }))
  const listening = await open(server, address, log)
  return {
    ...listening,
    setIdentity: ({ key, certificates }) =>
      server.setSecureContext({ key, cert: presented(certificates, roots), ca: roots, minVersion: "TLSv1.3" }),
  }
}

/** The chain with its roots: whoever enrols knows no root yet, only the hash of one, and has to be shown it. */
function presented(certificates: string, roots: readonly string[]): string {
  return [certificates.trim(), ...roots.map((root) => root.trim())].join("\n")
}

/** A plain HTTP listener; only for loopback, or behind a TLS proxy on the same host. */
export async function listenPlain(app: Application, address: Address, log: Log): Promise<Listening> {
  return await open(createPlainServer(getRequestListener(app.fetch, { overrideGlobalObjects: false })), address, log)
}

async function open(server: Server | TlsServer, address: Address, log: Log): Promise<Listening> {
  server.headersTimeout = LIMITS.headersMs
  server.requestTimeout = LIMITS.requestMs
  server.keepAliveTimeout = LIMITS.keepAliveMs
  server.maxConnections = LIMITS.connections
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(address.port, address.host, () => {
      server.off("error", reject)
      resolve()
    })
  })
  server.on("error", (error) => log.error("listener failed", { error }))
  const { port } = server.address() as AddressInfo
  return {
    host: address.host,
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      // Requests under way get a moment; then the rest is cut.
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, 1_000)
      await closed
      clearTimeout(cut)
    },
  }
}
