import { LogError, type NoteVerifier, parseNoteVerifier } from "@safeconduct/tlog"
import { canonical, type Json } from "#kernel"
import { type Bundle, readBundle } from "./bundle.ts"
import { type Agreed, type AskedFor, askedFor, type Draw, verifyDecision } from "./decided.ts"
import { isBefore, type OpenedEntry, openEntries, refused } from "./entries.ts"
import { requireEverybody } from "./everybody.ts"
import { keysIn } from "./keys.ts"

/** What an approval was used for; `outcome` is null while the log says nothing of it. */
export type UsedFor = {
  entry: string
  at: string
  /** Leases that were made for it, and how it ended. */
  leases: string[]
  outcome: "succeeded" | "failed" | "missing" | null
}

/** An approval that is proven: who agreed, to what, for which agent, by which authority, and what came of it. */
export type VerifiedApproval<Card> = {
  approval: string
  asked: {
    at: string
    agent: { name: string; spiffeId: string; instance: string }
    session: string
    purpose: string
    user: string | null
    application: string | null
    chain: Json
  }
  action: { digest: string; type: string; resource: string; operation: string; arguments: Json }
  authority: { policyVersion: string | null; policies: Json; requirements: Json }
  agreed: Agreed<Card>[]
  used: UsedFor | null
}

/**
 * Verifies the evidence of an approval offline, with public keys of the log alone (C2SP vkeys): every byte of it is either
 * proven to be in the log, committed to by what is, or a proof. What it cannot tell: whether a passkey was revoked before, when
 * whoever made the evidence left that out; the whole log says so. Throws `not-verified` with what is wrong first.
 */
export async function verifyEvidence<Card>(
  text: string,
  { vkeys, draw }: { vkeys: readonly string[]; draw: Draw<Card> },
): Promise<VerifiedApproval<Card>> {
  const bundle = readBundle(text)
  const entries = await openEntries(bundle, vkeys.map(verifierOf))
  const used = new Set<OpenedEntry>()
  const use = (entry: OpenedEntry) => {
    used.add(entry)
    return entry
  }
  const about = (event: string) => entries.filter(({ leaf }) => leaf.event === event && isAbout(bundle, leaf.data))
  const requested = use(only(about("approvals.requested"), "no request for it, or more than one"))
  const held = use(
    only(
      entries.filter(({ leaf }) => leaf.event === "gate.action-held" && leaf.id === requested.leaf.of),
      "no decision that it waits",
    ),
  )
  const extended = about("approvals.extended").map(use)
  if (extended.some((each) => !isBefore(requested, each))) throw refused("somebody took more time before it was asked")
  const asked = askedFor(requested, held, extended)
  const approved = use(only(about("approvals.approved"), "no approval"))
  const decisions = [...about("approvals.decided"), approved]
  if ([...decisions, ...extended].some((each) => each !== approved && !isBefore(each, approved))) {
    throw refused("somebody decided, or took more time, after it was approved")
  }
  const keys = keysIn(entries, use)
  const agreed = decisions.map((each) => verifyDecision(use(each), { asked, keys, draw }))
  const { leaf } = requested
  requireEverybody({ requirements: leaf.data?.["requirements"], user: leaf.user ?? null }, agreed)
  const begun = about("gate.action-begun")
  const usedFor =
    begun.length === 0
      ? null
      : usedBy(use(only(begun, "that it was used more than once")), entries, { asked, approved, use })
  if (used.size < entries.length) throw refused("it has entries that have nothing to do with the approval")
  return resultOf(bundle, asked, agreed, usedFor)
}

function verifierOf(vkey: string): NoteVerifier {
  try {
    return parseNoteVerifier(vkey)
  } catch (cause) {
    if (cause instanceof LogError) throw refused(`a public key of the log is none: ${cause.message}`, cause)
    throw cause
  }
}

function isAbout({ approval }: Bundle, data: { [name: string]: Json } | undefined): boolean {
  return data?.["approval"] === approval
}

function only(found: readonly OpenedEntry[], otherwise: string): OpenedEntry {
  if (found.length !== 1) throw refused(`the log's entries tell of ${otherwise}`)
  return found[0]!
}

type Using = { asked: AskedFor; approved: OpenedEntry; use: (entry: OpenedEntry) => OpenedEntry }

/** Exactly this action, by the same agent, in the same session, under the same policies, afterwards. */
function usedBy(begun: OpenedEntry, entries: readonly OpenedEntry[], { asked, approved, use }: Using): UsedFor {
  const { leaf } = begun
  const { requested, held } = asked
  const same: [Json | undefined, Json | undefined][] = [
    [leaf.by, requested.leaf.by],
    [leaf.agent?.instance, held.leaf.agent?.instance],
    [leaf.session, requested.leaf.session],
    [leaf.user, requested.leaf.user],
    [leaf.action, requested.leaf.action],
    [leaf.data?.["policyVersion"], requested.leaf.data?.["policyVersion"]],
  ]
  if (same.some(([a, b]) => canonical(a ?? null) !== canonical(b ?? null))) {
    throw refused("it was used for something else than what was approved")
  }
  if (!isBefore(approved, begun)) throw refused("it was used before it was approved")
  const isOfLease = ({ event, data }: OpenedEntry["leaf"]) =>
    event === "credentials.lease-intended" && data?.["approval"] === approved.leaf.data?.["approval"]
  const after = entries
    .filter((each) => (each.leaf.of === leaf.id && AFTERWARDS.has(each.leaf.event)) || isOfLease(each.leaf))
    .map(use)
  if (after.some((each) => !isBefore(begun, each))) throw refused("what it led to came before it")
  const leases = after.flatMap(({ leaf: { event, data } }) => {
    const lease = data?.["lease"]
    return event === "credentials.lease-issued" && typeof lease === "string" ? [lease] : []
  })
  const outcomes = after.map(({ leaf: { event } }) => AFTERWARDS.get(event) ?? null)
  return { entry: leaf.id, at: leaf.at, leases, outcome: outcomes.findLast((each) => each !== null) ?? null }
}

/** What follows an action, and which outcome that is. */
const AFTERWARDS: ReadonlyMap<string, UsedFor["outcome"]> = new Map([
  ["credentials.lease-issued", "succeeded"],
  ["credentials.lease-failed", "failed"],
  ["gate.action-succeeded", "succeeded"],
  ["gate.action-failed", "failed"],
  ["audit.outcome-missing", "missing"],
])

function resultOf<Card>(
  { approval }: Bundle,
  { requested, held, action }: AskedFor,
  agreed: Agreed<Card>[],
  used: UsedFor | null,
): VerifiedApproval<Card> {
  const { leaf } = requested
  const data = leaf.data ?? {}
  const { digest, type, resource, operation, arguments: values } = action
  return {
    approval,
    asked: {
      at: leaf.at,
      agent: { name: held.leaf.agent!.name, spiffeId: leaf.by, instance: held.leaf.agent!.instance },
      session: leaf.session ?? "",
      purpose: leaf.purpose ?? "",
      user: leaf.user ?? null,
      application: leaf.application ?? null,
      chain: leaf.chain ?? [],
    },
    action: { digest, type, resource, operation, arguments: values },
    authority: {
      policyVersion: typeof data["policyVersion"] === "string" ? data["policyVersion"] : null,
      policies: data["policies"] ?? [],
      requirements: data["requirements"] ?? [],
    },
    agreed,
    used,
  }
}
