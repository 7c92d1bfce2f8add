import { X509Certificate } from "node:crypto"
import type { Agent as PlainAgent } from "node:http"
import { Agent } from "node:https"
import { SafeconductError } from "./errors.ts"
import { spiffeIdOf } from "./spiffe.ts"

/** Whom to talk to, and as whom. All of it PEM where it is certificates. */
export type Peer = {
  /** Origin of the agents' listener, https. */
  url: string
  trustDomain: string
  /** Roots that the server's chain must end in. */
  bundle: string
  /** Absent only while enrolling. */
  credentials?: { key: string; svid: string }
}

/** Kept connections to one peer under one identity. */
export type Pool = {
  agent: Agent
  /** No new connections; idle ones close now, busy ones with their request. */
  retire(): void
}

/** Connections at the most, so that a burst does not become a thousand handshakes. */
const MAX_CONNECTIONS = 64

/**
 * Connections over TLS 1.3 (RFC 8446). The chain must end in the bundle's roots (OpenSSL checks it), and the leaf must be
 * `spiffe://<trust domain>/server`: host names say nothing about who answers. Throws `not-configured` for another scheme.
 */
export function openPool(peer: Peer): Pool {
  if (new URL(peer.url).protocol !== "https:") {
    throw new SafeconductError("not-configured", "The server's URL must begin with https://.")
  }
  const agent = new Agent({
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS,
    minVersion: "TLSv1.3",
    ca: peer.bundle,
    ...(peer.credentials && { key: peer.credentials.key, cert: peer.credentials.svid }),
    // A resumed handshake skips checkServerIdentity, so none is resumed.
    maxCachedSessions: 0,
    checkServerIdentity: (_host, { raw }) => notTheServer(new X509Certificate(raw), peer.trustDomain),
  })
  return {
    agent,
    retire: () => retireAgent(agent),
  }
}

/** No new connections are kept; idle ones close now, busy ones with their request. */
export function retireAgent(agent: Agent | PlainAgent): void {
  agent.maxFreeSockets = 0
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

/** Undefined when the certificate is the server's of that trust domain, else what is wrong with it. */
export function notTheServer(certificate: X509Certificate, trustDomain: string): Error | undefined {
  const expected = `spiffe://${trustDomain}/server`
  try {
    const { id } = spiffeIdOf(certificate)
    if (id === expected) return undefined
    return new SafeconductError("server-not-trusted", `The other end is ${id}, not ${expected}.`)
  } catch (error) {
    return error as Error
  }
}
