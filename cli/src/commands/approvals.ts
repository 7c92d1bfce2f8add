import type { Command } from "commander"
import { noun } from "../command.ts"
import { addEvidence } from "./evidence.ts"

/** What people were asked, and what they said. */
export function addApprovals(program: Command): void {
  const approvals = noun(program, "approvals", "Prove what people approved, and confirm their passkeys")
  addEvidence(approvals)
}
