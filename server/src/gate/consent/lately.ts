import { inWords, type Session } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { momentInWords } from "./pages/time.ts"
import { describing } from "./wanted.ts"

/** Lines that one session shows. */
const MOST = 3

/** What was decided of a session's actions last, in words and newest first, as the log has it. */
export async function lately(rooms: Rooms, session: Session): Promise<string[]> {
  const events = ["gate.action-begun", "gate.action-denied"]
  const entries = await rooms.audit.newest({ session: session.id, events, limit: MOST })
  return entries.flatMap(({ leaf: { action, event, at } }) => {
    if (action === undefined) return []
    const detail = { type: "safeconduct_action" as const, locations: [action.resource] }
    const words = inWords([{ ...detail, actions: [`${action.type}:${action.operation}`] }], describing(rooms))
    const what = event === "gate.action-denied" ? "Not allowed to" : "Allowed to"
    return words.map((phrase) => `${what} ${phrase}, ${momentInWords(at)}`)
  })
}
