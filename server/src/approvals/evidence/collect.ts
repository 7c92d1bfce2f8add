import type { Audit, EntryView } from "#audit"
import { type Id, type Json, Refusal } from "#kernel"
import type { Passkey } from "../passkeys/passkey.ts"
import type { Approval } from "../request.ts"
import type { Bundle, ProvenEntry } from "./bundle.ts"

/** What evidence is collected from. */
export type Sources = {
  audit: Pick<Audit, "entries" | "entry" | "receipt" | "logs">
  /** A passkey by its credential id, whosever it is or was. */
  passkey: (credentialId: string) => Promise<Passkey | null>
}

/** What tells of an approval in the log, and of what it was used for. */
const EVENTS = [
  "gate.action-held",
  "approvals.requested",
  "approvals.extended",
  "approvals.decided",
  "approvals.approved",
  "gate.action-begun",
  "credentials.lease-intended",
  "credentials.lease-issued",
  "credentials.lease-failed",
  "gate.action-succeeded",
  "gate.action-failed",
  "audit.outcome-missing",
]

/** Personal values that the evidence rests on; others stay where they are. */
const DISCLOSED: { readonly [event: string]: readonly string[] } = {
  "approvals.requested": ["facts", "action"],
  "approvals.decided": ["statement", "evidence"],
  "approvals.approved": ["statement", "evidence"],
  "approvals.passkey-enrolled": ["iss", "sub"],
}

/**
 * Everything in the log that proves an approval, in the log's order, each entry with its proof. Throws `approval-over` for a
 * request that was not approved, and what audit does.
 */
export async function collectEvidence({ audit, passkey }: Sources, approval: Approval): Promise<Bundle> {
  if (approval.state !== "approved") {
    throw new Refusal(
      "approval-over",
      "It was not approved, so there is nothing to prove. The log tells what became of it.",
    )
  }
  const told = await entriesAbout(audit, approval)
  if (!told.some(({ leaf }) => leaf.event === "gate.action-held")) {
    const what = "Another enforcement point asked for it, and its evidence is not one file yet."
    throw new Refusal("not-verified", `${what} The log has its entries: gate.access-requested, and policy.asked.`)
  }
  const credentials = new Set<string>()
  for (const { disclosures } of told) {
    const evidence = disclosures?.["evidence"]?.value as { credentialId?: Json } | undefined
    if (typeof evidence?.credentialId === "string") credentials.add(evidence.credentialId)
  }
  const keys = await Promise.all([...credentials].map(passkey))
  const ofKeys = keys.flatMap((key) =>
    key === null ? [] : [key.enrolledEntry, key.confirmedEntry, key.revokedEntry].filter((id) => id !== null),
  )
  const all = [...told, ...(await Promise.all(ofKeys.map((id) => audit.entry(id))))]
  const proven = await Promise.all(all.map((entry) => provenEntry(audit, entry)))
  proven.sort((a, b) => a.log - b.log || a.index - b.index)
  return { v: "safeconduct/evidence/1", approval: approval.id, entries: proven.map(({ entry }) => entry) }
}

/** Entries of its session that name the approval, or follow the action that it was used for. */
async function entriesAbout(audit: Sources["audit"], approval: Approval): Promise<EntryView[]> {
  const logs = await audit.logs()
  const found = await Promise.all(
    logs.flatMap(({ log }) => EVENTS.map((event) => ofSession(audit, { log, event, session: approval.session }))),
  )
  // The same action may have been asked for again while it waited, and once more after it was used: those tell of no more.
  const isAbout = ({ leaf }: EntryView) => {
    if (leaf.event === "gate.action-held") return leaf.id === approval.entry
    if (leaf.event === "gate.action-begun") return leaf.id === approval.usedBy
    return leaf.data?.["approval"] === approval.id || (approval.usedBy !== null && leaf.of === approval.usedBy)
  }
  // One entry again for what it discloses.
  return await Promise.all(
    found
      .flat()
      .filter(isAbout)
      .map(({ id }) => audit.entry(id)),
  )
}

async function ofSession(
  audit: Sources["audit"],
  of: { log: number; event: string; session: Id<"session"> },
): Promise<EntryView[]> {
  const entries: EntryView[] = []
  for (let from: number | null = 0; from !== null; ) {
    const page: Awaited<ReturnType<Audit["entries"]>> = await audit.entries({ ...of, from, limit: 256 })
    entries.push(...page.entries)
    from = page.next
  }
  return entries
}

async function provenEntry(
  audit: Sources["audit"],
  { id, text, leaf, index, disclosures = {} }: EntryView,
): Promise<{ entry: ProvenEntry; log: number; index: number }> {
  const receipt = await audit.receipt(id)
  const names = DISCLOSED[leaf.event] ?? []
  const disclosed = Object.entries(disclosures).filter(([name]) => names.includes(name))
  // The origin is the checkpoint's first line, which follows the proof's blank line.
  const origin = /\n\n([^\n]+)\n/.exec(receipt)?.[1] ?? ""
  const log = Number(/\/(\d+)$/.exec(origin)?.[1])
  return { entry: { text, receipt, disclosures: Object.fromEntries(disclosed) }, log, index }
}
