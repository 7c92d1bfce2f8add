import type { Secret } from "#kernel"
import type { Connections } from "./connect.ts"
import { literal } from "./quote.ts"
import { scramVerifier } from "./scram.ts"

/**
 * Gives our own account another password, and proves by a login that it works. The password is random, but the account
 * outlives every lease: its verifier keeps the usual 4096 iterations.
 */
export async function rotateRoot(connections: Connections, next: Secret): Promise<void> {
  const verifier = await scramVerifier(next, { iterations: 4096 })
  await connections.give.run("change our password", `alter role current_user password ${literal(verifier)}`)
  await connections.login(next)
  connections.usePassword(next)
}
