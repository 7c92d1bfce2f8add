import type { OperatorPrincipal } from "#agents"
import type { Approval } from "#approvals"
import type { Rooms } from "../rooms.ts"

/** True for a request of this very enforcement point: its entry says who asked. */
export async function isAskedBy(
  { audit }: Pick<Rooms, "audit">,
  { spiffeId }: OperatorPrincipal,
  { entry }: Pick<Approval, "entry">,
): Promise<boolean> {
  const { leaf } = await audit.entry(entry)
  return leaf.event === "gate.access-requested" && leaf.by === spiffeId
}
