import { canonical, type Id, type Json, Refusal } from "#kernel"
import { type ResourcePart, requiresApproval } from "./part.ts"

/** What a human agreed to, as a lease carries it to its resource: that action, with those arguments, once. */
export type Approved = {
  id: Id<"approval">
  /** The approved action's. */
  digest: string
  arguments: { [name: string]: Json }
}

/** Throws `approval-required` where the resource asks for an approval and there is none, `invalid-request` for one it cannot compare. */
export function refuseUnapproved(part: ResourcePart, operation: string, approval: Approved | null): void {
  if (approval === null) {
    if (!requiresApproval(part, operation)) return
    const what = `A credential for "${operation}" is made for one action that somebody approved.`
    throw new Refusal("approval-required", `${what} A policy has to ask for it.`)
  }
  // PostgreSQL has no such text. An even number of backslashes stands for themselves.
  if (/(?<!\\)(?:\\\\)*\\u0000/.test(canonical(approval.arguments))) {
    throw new Refusal("invalid-request", "An argument has a character U+0000, which the resource cannot compare.")
  }
}
