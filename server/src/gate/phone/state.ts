import { sayOf } from "#approvals"
import { base64url, Refusal, sha256 } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { type Asked, askedOf, saidOf, waitingOf } from "./found.ts"

/** Names what is in an inbox: another name, other requests. It says nothing of them. */
export function stateOfInbox(waiting: readonly Asked[]): string {
  return base64url(sha256(waiting.map(({ approval }) => approval.id).join(" "))).slice(0, 16)
}

/** What an open page asks every few seconds: whether it shows still what is so. Throws `login-required`, `approval-unknown`. */
export async function stateFor(
  rooms: Rooms,
  known: SignedInBrowser | null,
  id: string | null,
): Promise<{ state: string }> {
  if (known === null) throw new Refusal("login-required", "You are not signed in any more. Open the page again.")
  if (id === null) return { state: stateOfInbox(await waitingOf(rooms, known.user, "en")) }
  const { approval } = await askedOf(rooms, known.user, id, "en")
  if (sayOf(approval, known.user).length > 0 && saidOf(approval, known.user) !== null) return { state: "said" }
  return { state: approval.state === "requested" && !approval.isOpen ? "expired" : approval.state }
}
