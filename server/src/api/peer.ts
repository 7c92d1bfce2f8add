import type { TLSSocket } from "node:tls"
import type { Agents, Principal } from "#agents"
import { type Clock, type Epoch, Refusal } from "#kernel"

/** Longest chain that we look at: leaf, intermediate, and two more. */
const MAX_CHAIN = 4

/**
 * Who is at the other end of a connection, remembered with it. The judgement holds while the revocation epoch stands and
 * the SVID has not expired; after that the chain is validated again, so that a suspended agent's open connection is worth
 * nothing. Node's own `authorized` flag is not consulted: its TLS accepts leaves that SPIFFE forbids.
 */
export type Peers = {
  /** Null when the client sent no certificate; throws when it sent one that is not good. */
  identify(socket: TLSSocket, options?: { forRenewal?: boolean }): Promise<Principal | null>
  /** Closes every connection of these agents. */
  closeAll(names: ReadonlySet<string>): void
}

type Known = { principal: Principal; epoch: number }

/** Remembers the peers of one listener. */
export function createPeers({ agents, epoch, clock }: { agents: Agents; epoch: Epoch; clock: Clock }): Peers {
  const known = new Map<TLSSocket, Known>()
  const chains = new WeakMap<TLSSocket, Buffer[]>()
  return {
    async identify(socket, { forRenewal = false } = {}) {
      const held = known.get(socket)
      const isGood = held !== undefined && held.epoch === epoch.current && held.principal.notAfterMs > clock.nowMs()
      // Revoked without the database, an instance is so before the epoch moves.
      if (isGood && !agents.isRevoked(held.principal.instance)) return held.principal
      // Read once: Node 24 takes the chain apart as it hands it out, and the next reading has the leaf alone.
      const chain = chains.get(socket) ?? chainOf(socket)
      chains.set(socket, chain)
      if (chain.length === 0) return null
      const seenAt = epoch.current
      const principal = await agents.identify(chain, { forRenewal })
      // A closed connection fires no more events: remembered now, it would be so for good.
      if (socket.destroyed) return principal
      if (!known.has(socket)) socket.once("close", () => known.delete(socket))
      known.set(socket, { principal, epoch: seenAt })
      return principal
    },
    closeAll(names) {
      for (const [socket, { principal }] of known) {
        if (principal.kind === "agent" && names.has(principal.name)) socket.destroy()
      }
    },
  }
}

/** The certificates that the client sent, DER, leaf first; whether they fit together is not looked at here. */
function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  const seen = new Set<string>()
  let next = socket.getPeerX509Certificate?.()
  while (next !== undefined && !seen.has(next.fingerprint256)) {
    if (chain.length === MAX_CHAIN) throw new Refusal("svid-invalid", "The certificate chain is too long.")
    seen.add(next.fingerprint256)
    chain.push(next.raw)
    next = next.issuerCertificate
  }
  return chain
}
