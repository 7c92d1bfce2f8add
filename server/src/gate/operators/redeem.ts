import type { Enrolment } from "#agents"
import { base64url, equal, Refusal, refusalCode, sha256 } from "#kernel"
import type { ArrivedOperator } from "#sessions"
import type { Rooms } from "../rooms.ts"

/** What a command line hands in for its certificate. */
export type OperatorCode = { code: string; codeVerifier: string; csr: string }

/**
 * Makes the command line's key stand for the operator who allowed it, once, with the verifier of its challenge. The same code with
 * the same key, while it is good, is the same instance: the answer may have been lost. With another key it is in two hands, and what
 * was made of it ends. Throws `grant-invalid`, and what Agents.signIn() throws.
 */
export async function redeemOperator(rooms: Rooms, { code, codeVerifier, csr }: OperatorCode): Promise<Enrolment> {
  const found = await rooms.sessions.operatorSignIns.findByCode(code)
  if (found === null || !isVerifierOf(codeVerifier, found.request)) throw unknown()
  const { request, isAlive } = found
  if (!isAlive && request.state !== "redeemed") throw unknown()
  let shownKey: string | null = null
  try {
    return await rooms.agents.signIn({
      csr,
      user: request.arrival.user.id,
      provider: request.asked.provider,
      signedInAtMs: request.signedInAtMs,
      proving(keyThumbprint) {
        shownKey = keyThumbprint
        return rooms.sessions.operatorSignIns.redeeming(code, keyThumbprint)
      },
    })
  } catch (error) {
    if (refusalCode(error) === "grant-invalid") await endIfReplayed(rooms, code, shownKey)
    throw error
  }
}

function isVerifierOf(verifier: string, { asked }: ArrivedOperator): boolean {
  return equal(Buffer.from(base64url(sha256(verifier))), Buffer.from(asked.challenge))
}

/** Whoever has code and verifier, and not the key that they were used with, took them from who has. */
async function endIfReplayed(rooms: Rooms, code: string, shownKey: string | null): Promise<void> {
  const used = (await rooms.sessions.operatorSignIns.findByCode(code))?.request
  if (used?.keyThumbprint == null || used.keyThumbprint === shownKey) return
  await rooms.audit.commit(rooms.agents.endSignIns({ keyThumbprint: used.keyThumbprint }, "code-replayed", "server"))
  await rooms.epoch.refresh()
}

/** Whoever tries codes is not told which of them were ever good. */
function unknown(): Refusal {
  return new Refusal("grant-invalid", "This is no code for this code_verifier, or none any more. Sign in again.")
}
