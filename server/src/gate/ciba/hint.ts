import type { AgentPrincipal } from "#agents"
import { isId, Refusal, refusalCode } from "#kernel"
import type { Rooms } from "../rooms.ts"
import type { Hint } from "./parameters.ts"

/**
 * The caller's own open session that a hint names: by its access token, or by its id or its user's where that says which one.
 * Whom an agent does not act for it cannot name (pitfall 9), and it learns nothing of who there is: whatever else it sends is
 * one refusal (pitfall 26). Throws `hint-unknown`, `hint-expired`.
 */
export async function sessionOf(rooms: Rooms, caller: AgentPrincipal, { kind, value }: Hint): Promise<string> {
  const session = await named(rooms, caller, kind, value)
  if (session === null) throw unknown()
  try {
    const { user } = (await rooms.sessions.standing(session, caller)).session
    // Without a user there is nobody whose approval could be asked for so.
    if (user === null) throw unknown()
    return session
  } catch (error) {
    if (OVER.includes(refusalCode(error) ?? "")) throw unknown()
    throw error
  }
}

const OVER = ["session-unknown", "session-ended", "session-expired", "token-invalid"]

async function named(rooms: Rooms, caller: AgentPrincipal, kind: Hint["kind"], value: string): Promise<string | null> {
  if (kind === "login_hint_token") return await ofToken(rooms, caller, value)
  // ID tokens say who was asked, and are accepted nowhere.
  if (kind === "id_token_hint") return null
  if (isId("session", value)) return value
  if (!isId("user", value)) return null
  const open = await rooms.sessions.ofUser(value, { agent: caller.name, state: "open" })
  const own = open.filter(({ instance }) => instance === caller.instance)
  return own.length === 1 && open.length < MAX_LOOKED_AT ? own[0]!.id : null
}

/** As many as are listed: beyond them nobody knows whether there is another one. */
const MAX_LOOKED_AT = 100

async function ofToken({ sessions }: Rooms, caller: AgentPrincipal, token: string): Promise<string | null> {
  try {
    const {
      client_id: client,
      safeconduct_session: session,
      txn,
    } = await sessions.verifyToken(token, caller.confirmation)
    return client === caller.spiffeId && txn === undefined ? (session ?? null) : null
  } catch (error) {
    if (refusalCode(error) !== "token-invalid") throw error
    if (!sessions.hasExpired(token, caller.confirmation)) return null
    throw new Refusal("hint-expired", "The access token in login_hint_token has expired. Fetch a new one.")
  }
}

function unknown(): Refusal {
  const what = "login_hint_token is the access token of an open session of yours that has a user"
  return new Refusal("hint-unknown", `The hint names nobody whom you act for: ${what}.`)
}
