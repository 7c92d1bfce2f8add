import { createRequest } from "./csr.ts"
import { SafeconductError } from "./errors.ts"
import { assemble, type Identity, type Issued, peerOf, saveIssued } from "./identity.ts"
import { keepRenewed } from "./keep-renewed.ts"
import { RENEWABLE_AFTER_EXPIRY_MS, retryDelayMs, svidRenewalDelayMs } from "./schedule.ts"
import type { Transport } from "./transport.ts"

/** Told of everything that goes wrong in the background. */
export type OnProblem = (problem: SafeconductError) => void

/**
 * Renews the SVID with its own key over mutual TLS, keeps it in the folder, and lets the transport use it. Also within 24 h
 * after expiry, when this is the only route that the server still accepts it on.
 */
export async function renewIdentity(identity: Identity, transport: Transport): Promise<Identity> {
  const issued = await transport.json<Issued>({
    method: "POST",
    path: "/v1/agents/renewals",
    body: { csr: createRequest(identity.privateKey) },
    isRepeatable: true,
  })
  const renewed = assemble(identity.folder, identity.url, identity.privateKey, issued)
  if (renewed.spiffeId !== identity.spiffeId) {
    throw new SafeconductError("identity-broken", `The server answered with an SVID for ${renewed.spiffeId}.`)
  }
  // A crash here leaves the older SVID, which the server still accepts until it expires, and renews for 24 h after.
  await saveIssued(renewed.folder, renewed.svid, renewed.bundle)
  transport.setPeer(peerOf(renewed))
  return renewed
}

/** True when the SVID can no longer be renewed, so that only a join token helps. */
export function isBeyondRenewal({ notAfterMs }: Identity, nowMs: number): boolean {
  return nowMs > notAfterMs + RENEWABLE_AFTER_EXPIRY_MS
}

/** Refusals of a renewal that trying again cannot change. A suspended agent may be resumed. */
const FINAL = new Set(["agent-retired", "identity-unknown", "svid-invalid", "identity-broken"])

const RETRY = { baseMs: 1_000, maxMs: 60_000 }

/** Renews at half life until disposed; every failure goes to `onProblem`. `onRenewed` hears of each new SVID. */
export function keepIdentity(parts: {
  identity: Identity
  transport: Transport
  onRenewed: (identity: Identity) => void
  onProblem: OnProblem
}): Disposable {
  let { identity } = parts
  return keepRenewed({
    nextDelayMs: () => svidRenewalDelayMs({ ...identity, nowMs: Date.now() }, Math.random()),
    async renew() {
      identity = await renewIdentity(identity, parts.transport)
      parts.onRenewed(identity)
    },
    onFailure(error, failures) {
      parts.onProblem(error)
      if (FINAL.has(error.code) || isBeyondRenewal(identity, Date.now())) return null
      return retryDelayMs(failures, 0.5 + Math.random() / 2, RETRY.baseMs, RETRY.maxMs)
    },
  })
}
