import type { RefusalCode, Right } from "#kernel"
import type { OperatorRole, Principal } from "./principal.ts"

/** What every operator may see. */
const READING = ["read-agents", "read-sessions", "read-policy", "read-credentials", "read-keys"] as const

/** The five roles and their rights; `public`, `enrol` and `application` need none, `identified` any. An agent sees what is its own. */
export const roles: Readonly<Record<OperatorRole | "agent", readonly Right[]>> = {
  admin: [
    ...READING,
    "read-audit",
    "ask-policy",
    "request-access",
    "manage-agents",
    "manage-operators",
    "end-sessions",
    "apply-policy",
    "approve-changes",
    "confirm-passkeys",
    "manage-credentials",
    "manage-keys",
  ],
  operator: [...READING, "read-audit", "ask-policy", "request-access", "manage-agents", "end-sessions"],
  auditor: [...READING, "read-audit", "ask-policy"],
  approver: ["read-agents", "read-sessions", "read-policy", "approve-changes", "confirm-passkeys"],
  agent: ["agent", "read-sessions", "read-credentials", "end-sessions"],
}

/** Who has the right, in words, for whom is refused. */
export function holdersOf(right: Right): string {
  if (right === "agent") return "agents"
  const holders = Object.keys(roles).filter((role) => role !== "agent" && roles[role as OperatorRole].includes(right))
  return `operators with the role ${holders.join(" or ")}`
}

/** True when the principal has the right; else the code that says why not. Null is a caller who showed no certificate. */
export function mayCall(principal: Principal | null, right: Right): true | RefusalCode {
  if (right === "public" || right === "enrol" || right === "application") return true
  if (principal === null) return "no-identity"
  if (right === "identified") return true
  const held = principal.kind === "agent" ? (["agent"] as const) : principal.roles
  return held.some((role) => roles[role].includes(right)) ? true : "wrong-role"
}
