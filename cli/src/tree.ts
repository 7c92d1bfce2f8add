import type { Row } from "./output.ts"

/** A session as the server shows it, as far as a tree needs it. */
export type TreeSession = Row & {
  id: string
  agent: string
  parent: string | null
  state: string
  endReason: string | null
  user: { id: string } | null
}

/**
 * Rows of a drawing: each session beneath the one that handed it on, with branches before its agent's name. One whose parent
 * is not among them stands at the left.
 */
export function drawn(sessions: readonly TreeSession[]): Row[] {
  const known = new Set(sessions.map(({ id }) => id))
  const under = (parent: string | null) =>
    sessions.filter((each) => (known.has(each.parent ?? "") ? each.parent : null) === parent)
  const draw = (session: TreeSession, branch: string, stem: string): Row[] => {
    const children = under(session.id)
    return [
      rowOf(session, branch),
      ...children.flatMap((child, at) => {
        const isLast = at === children.length - 1
        return draw(child, `${stem}${isLast ? "└─ " : "├─ "}`, `${stem}${isLast ? "   " : "│  "}`)
      }),
    ]
  }
  return under(null).flatMap((session) => draw(session, "", ""))
}

function rowOf(session: TreeSession, branch: string): Row {
  const { agent, state, endReason, user } = session
  const isOtherReason = endReason !== null && endReason !== state
  return { ...session, agent: branch + agent, state: isOtherReason ? `${state} (${endReason})` : state, user: user?.id }
}
