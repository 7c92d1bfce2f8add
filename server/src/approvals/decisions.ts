import type { Change, Draft } from "#audit"
import { type Json, Refusal, type Transaction } from "#kernel"
import { giveGrant, grantedDraft } from "./grants/grants.ts"
import type { Grant } from "./grants/store.ts"
import { noteDenied } from "./pacing/pace.ts"
import type { ApprovalsPart } from "./part.ts"
import { standInsNow } from "./people/stand-ins/store.ts"
import { counts, type Proven } from "./proof.ts"
import { type Approval, type Person, type Say, saysOf, wasRefusedTogether } from "./request.ts"
import { aboutApproval, approvalOver, unknownApproval } from "./requests.ts"
import type { Statement } from "./statement.ts"
import * as store from "./store.ts"

/** What somebody says, and how they are known to be who they are. */
export type Decision = {
  id: string
  person: Person
  decision: "approve" | "deny" | "report"
  /** To deny, being signed in is enough. */
  proven: Proven
  /** What was signed; null with what needs no signature, such as a denial. */
  statement: Statement | null
}

/**
 * Takes a decision, once: it stands from then on, whatever comes later; with it, leave for more where that was signed. Its work
 * throws `approval-unknown` for who has no say in it, `approval-over` when it is decided, expired or withdrawn (but to report one that
 * was refused together with its like) or they have decided, `proof-insufficient`, also for a statement of the time before somebody
 * took more, `bounds-invalid`.
 */
export function deciding(part: ApprovalsPart, made: Decision): Change<Approval> {
  const { id, person, decision, proven, statement } = made
  let granted: Grant | null = null
  return {
    async work(tx) {
      granted = null
      const found = await store.lockRequest(tx, id)
      const says = found === null ? [] : saysOf(found, person)
      if (found === null || says.length === 0) throw unknownApproval()
      if (!found.isOpen && !(decision === "report" && wasRefusedTogether(found))) throw approvalOver(found)
      const enough = says.filter(
        ({ requirement: { rung } }) => decision !== "approve" || counts(part, rung, proven.way),
      )
      if (enough.length === 0) throw insufficient()
      // Whoever took more time after it was signed changed what there is to sign: the evidence would never verify.
      if (statement !== null && statement.expiresAt !== found.expiresAt.toISOString()) throw ofAnotherTime()
      const voices = await voicesOf(tx, found, made, enough)
      if (voices.length === 0) throw unknownApproval()
      const said = {
        request: id,
        approver: person.id,
        decision,
        way: proven.way,
        countsFor: voices.map(({ of }) => of),
        standsFor: Object.fromEntries(voices.flatMap(({ of, as }) => (as === person.id ? [] : [[of, as]]))),
      }
      if (!(await store.insertDecision(tx, said))) throw approvalOver(found)
      if (decision !== "approve") {
        await store.endRequest(tx, id, { state: decision === "deny" ? "denied" : "reported" })
        await noteDenied(tx, part, found)
      } else if (await isMet(tx, id)) {
        await store.endRequest(tx, id, { state: "approved", useWithinSeconds: part.useWithinSeconds })
      }
      if (decision === "approve" && statement !== null) granted = await grantSigned(tx, part, found, made)
      await store.announce(tx, id)
      return (await store.findRequest(tx, id))!
    },
    entries: (approval) => [decidedDraft(approval, made), ...(granted === null ? [] : [grantedDraft(granted)])],
  }
}

function decidedDraft(approval: Approval, { person, decision, proven, statement }: Decision): Draft {
  const { id, state, decisions } = approval
  const said = decisions.find(({ approver }) => approver === person.id)
  return {
    ...aboutApproval(approval, `approvals.${state === "requested" ? "decided" : state}`, person.id),
    data: {
      ...{ approval: id, decision, way: proven.way, countsFor: said?.countsFor ?? [] },
      ...(Object.keys(said?.standsFor ?? {}).length === 0 ? {} : { standsFor: said!.standsFor }),
    },
    personal: {
      evidence: proven.evidence,
      ...(statement === null ? {} : { statement: statement as unknown as Json }),
    },
  }
}

/** What was signed beyond the one action; null for nothing. A tap gives no leave, even where it approves. */
async function grantSigned(
  tx: Transaction,
  part: ApprovalsPart,
  approval: Approval,
  { person, proven, statement }: Decision,
): Promise<Grant | null> {
  const { bounds, approval: of, approver } = statement!
  if (of !== approval.id || approver !== person.id) throw insufficient()
  if (bounds === null) return null
  if (!counts(part, "sign", proven.way)) throw insufficient()
  return await giveGrant(tx, part, { approval, user: person.id, signed: bounds })
}

/** For which requirements, and as whom, somebody's word counts. */
type Voice = { of: string; as: string }

/**
 * Whoever decides in somebody's place must hold it now, by the database's clock; and of two who speak for one person the second
 * approves nothing.
 */
async function voicesOf(
  tx: Transaction,
  approval: Approval,
  { person, decision }: Decision,
  says: readonly Say[],
): Promise<Voice[]> {
  const held = says.some(({ standsFor }) => standsFor !== null) ? await standInsNow(tx, { standIn: person.id }) : []
  return says.flatMap(({ requirement: { of }, standsFor }): Voice[] => {
    if (standsFor === null) return [{ of, as: person.id }]
    const heard = decision === "approve" ? heardFor(approval, of) : new Set<string>()
    const isHeld = (member: string) => held.some(({ user, groups }) => user === member && groups.includes(of))
    const as = standsFor.find((member) => isHeld(member) && !heard.has(member))
    return as === undefined ? [] : [{ of, as }]
  })
}

/** Who approved it for a requirement, those in whose place somebody did as themselves. */
function heardFor({ decisions }: Approval, of: string): Set<string> {
  const approvals = decisions.filter((each) => each.decision === "approve" && each.countsFor.includes(of))
  return new Set(approvals.map(({ approver, standsFor }) => standsFor[of] ?? approver))
}

async function isMet(tx: Transaction, id: string): Promise<boolean> {
  const approval = (await store.findRequest(tx, id))!
  return approval.requirements.every(({ of, required }) => heardFor(approval, of).size >= required)
}

function insufficient(): Refusal {
  const what = "Being signed in is not enough to approve this."
  return new Refusal("proof-insufficient", `${what} Sign it with your passkey, or in another way that is asked for.`)
}

function ofAnotherTime(): Refusal {
  const what = "Somebody took more time for this while you approved it, and nothing was approved."
  return new Refusal("proof-insufficient", `${what} Open the page again, and approve what stands there.`)
}
