import { givesCredentials, labelsOf, operationOf, type ResourcePart, requiresApproval } from "#credentials"
import type { Ask, Asking, Decision } from "#policy"
import type { Action } from "./action.ts"

type Named = Pick<Action, "type" | "resource" | "operation">

/** Why the resource has nothing of the kind: of a tool that it does not describe nobody knows what it moves. Null when it has. */
export function notDescribed(part: ResourcePart | undefined, action: Named): string | null {
  if (!isDescribedTool(part, action) || operationOf(part, action.operation) !== null) return null
  return `${action.resource} has no tool ${action.operation}.`
}

/** What policy may ask of the action's operation, as the configuration describes it. */
export function operationFacts(
  part: ResourcePart | undefined,
  { operation }: Named,
): Required<Pick<Asking, "elevated" | "irreversible">> {
  const { elevated = "", irreversible = false } = operationOf(part, operation) ?? {}
  return { elevated: elevated === "" ? null : elevated, irreversible }
}

/** What a session has seen once it was allowed the action. */
export function shownBy(part: ResourcePart | undefined, action: Named): readonly string[] {
  const isOperation = action.type === "credential" || isDescribedTool(part, action)
  return isOperation ? labelsOf(part, action.operation) : []
}

/** Where the resource itself takes nothing of it that nobody approved, an action that policy allows is asked about. */
export function askedByResource(
  decision: Decision,
  part: ResourcePart | undefined,
  { type, operation }: Named,
  isApproved: boolean,
): Decision {
  const isAsked = part !== undefined && type === "credential" && requiresApproval(part, operation) && !isApproved
  if (decision.verdict !== "allow" || !isAsked) return decision
  const asks: Ask[] = [{ of: "user", rung: "sign" }]
  const reasons = ["The resource takes this only with an approval of the very action."]
  return { ...decision, verdict: "ask", asks, reasons, tells: false }
}

/** A tool of a resource that says what its tools are. */
function isDescribedTool(part: ResourcePart | undefined, { type }: Named): boolean {
  return type === "tool" && part !== undefined && !givesCredentials(part)
}
