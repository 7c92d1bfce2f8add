import type { Command } from "commander"
import { noun } from "../command.ts"
import { addAsked } from "./asked.ts"
import { addChannels } from "./channels.ts"
import { addEvidence } from "./evidence.ts"
import { addSimulateAsking } from "./simulate-asking.ts"

/** What people were asked, and what they said. */
export function addApprovals(program: Command): void {
  const approvals = noun(program, "approvals", "Look at what people are asked, prove what they approved, take it back")
  addAsked(approvals)
  addSimulateAsking(approvals)
  addEvidence(approvals)
  addChannels(approvals)
}
