import { z } from "zod"
import { Refusal } from "#kernel"
import { channelsSchema } from "./channels/index.ts"

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "a name is a-z, 0-9 and hyphens")
const way = z.enum(["session", "passkey", "step-up", "provider"])
const seconds = (most: number) => z.int().min(1).max(most)

/** Somebody who may approve for a group: as who they are at a provider of the configuration. */
const member = z.strictObject({ provider: name, subject: z.string().min(1).max(255) })

const group = z.strictObject({
  members: z.array(member).min(1).max(100),
  /** How many of them have to approve; whoever the action is done for is never one. */
  required: z.int().min(1).max(20).default(1),
})

/** The part `approvals` of a configuration. */
export const approvalsSchema = z.strictObject({
  /** Approvers that a policy names by @ask. */
  groups: z.record(name, group).default({}),
  /** Ways of proving the person that count for each rung. */
  proofs: z
    .strictObject({
      tap: z.array(way).min(1).default(["session", "passkey", "step-up", "provider"]),
      sign: z.array(way).min(1).default(["passkey"]),
      quorum: z.array(way).min(1).default(["passkey"]),
    })
    .prefault({}),
  /** Of a request; expiry is denial. */
  expirySeconds: seconds(86_400).default(300),
  /** Of an approval that was given and not used. */
  useWithinSeconds: seconds(3_600).default(120),
  pacing: z
    .strictObject({
      perPersonPerMinute: z.int().min(1).max(1_000).default(5),
      perAgentPerHour: z.int().min(1).max(10_000).default(20),
      /** More requests of one kind than this, of one agent within ten minutes, are one refusal. */
      bulk: z.int().min(1).max(1_000).default(10),
      coolOffSeconds: seconds(86_400).default(900),
      denialsToCoolOff: z.int().min(1).max(100).default(2),
      denialWindowSeconds: seconds(86_400).default(600),
    })
    .prefault({}),
  passkeys: z
    .strictObject({
      /** Until a passkey counts whose owner had others and has none: seconds, or until an operator confirms it. */
      afterLoss: z.union([z.literal("operator"), seconds(2_592_000)]).default(86_400),
    })
    .prefault({}),
  /** Leave for more of the same, which a user may give with an approval. 0 for none. */
  grants: z
    .strictObject({
      maxUses: z.int().min(0).max(1_000).default(20),
      /** What is offered to begin with. */
      offerUses: z.int().min(1).max(1_000).default(5),
      maxSeconds: seconds(86_400).default(3_600),
    })
    .prefault({}),
  /** Whom "deny and report" stops the agent for: everybody, or the one who reports. */
  report: z.enum(["agent", "user"]).default("agent"),
  /** Whether a second operator signs what an operator applies. */
  changes: z.enum(["one-operator", "two-operators"]).default("one-operator"),
  /** Ways to tell people that something waits for them. */
  channels: channelsSchema,
})

/** The part with every default filled in. */
export type ApprovalsPart = z.infer<typeof approvalsSchema>

/** Checks the part; one that is absent is all defaults. Throws `policy-invalid` with `detail.path`. */
export function parseApprovals(value: unknown): ApprovalsPart {
  const parsed = approvalsSchema.safeParse(value ?? {})
  const refuse = (path: string, problem: string) => {
    return new Refusal("policy-invalid", `${path}: ${problem}`, { detail: { path, problem } })
  }
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw refuse(["approvals", ...(issue?.path ?? [])].map(String).join("."), issue?.message ?? "not valid")
  }
  for (const [group, { members, required }] of Object.entries(parsed.data.groups)) {
    if (group === "user")
      throw refuse("approvals.groups.user", "this word stands for the user whom the session is for.")
    const distinct = new Set(members.map(({ provider, subject }) => JSON.stringify([provider, subject])))
    if (distinct.size < members.length) throw refuse(`approvals.groups.${group}.members`, "somebody is named twice.")
    if (required > members.length) {
      throw refuse(`approvals.groups.${group}.required`, `there are ${members.length} members, fewer than that.`)
    }
  }
  return parsed.data
}
