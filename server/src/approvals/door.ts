import type { Change } from "#audit"
import type { Id, Refusal } from "#kernel"
import type { Backchannel } from "./backchannel/backchannel.ts"
import type { Channels } from "./channels/index.ts"
import type { Decision } from "./decisions.ts"
import type { FatigueReport } from "./fatigue/report.ts"
import type { Grants } from "./grants/grants.ts"
import type { Notices } from "./notices/index.ts"
import type { ApprovalsPart } from "./part.ts"
import type { Passkeys } from "./passkeys/open.ts"
import type { People } from "./people/index.ts"
import type { Reports } from "./reports/reports.ts"
import type { Approval, ApprovalState, NewRequest, Person } from "./request.ts"
import type { Held, Use } from "./requests.ts"
import type { RequestsOf, WithdrawnOf } from "./store.ts"
import type { Usual } from "./usual/usual.ts"
import type { Ways } from "./ways/open.ts"

/** The approvals room. Expiry is judged by the database's clock; what is in force is as old as the epoch at the most. */
export interface Approvals extends AsyncDisposable {
  /** Our own, as statements name it. */
  readonly issuer: string
  /** Keys that people sign approvals with. */
  readonly passkeys: Passkeys
  /** Ways to people through their providers. */
  readonly ways: Ways
  /** Requests that agents ask by OpenID CIBA. */
  readonly backchannel: Backchannel
  /** What users approved before, to compare with. */
  readonly usual: Usual
  /** Ways to tell people that something waits for them. */
  readonly channels: Channels
  /** How people are reached, and who stands in for them. */
  readonly people: People
  /** Telling them; what the room keeps to be told is told by itself. */
  readonly notices: Notices
  /** Checks the room's part of a configuration. Throws `policy-invalid` with `detail.path`. */
  parse(document: { approvals?: unknown }): ApprovalsPart
  /** Puts it in force. `by` is the SPIFFE ID of who does. */
  replace(part: ApprovalsPart, by: string): Change<boolean>
  /** What is in force; defaults before the first. */
  part(): ApprovalsPart
  /** For what one operator does alone: its work throws `otherwise` where by now, in the database, two have to. */
  alone(otherwise: Refusal): Change<void>
  /** Asks for approval: requests.ts. `tells` are users who are told of it. */
  request(asked: NewRequest, tells: readonly Id<"user">[]): Change<Held>
  /** Gives more time to decide: more-time/extend.ts. */
  extend(id: string, person: Person): Change<Approval>
  /** Those of them that may be given more time. */
  extendable(ids: readonly string[]): Promise<Id<"approval">[]>
  /** Null when there is none of that id. */
  find(id: string): Promise<Approval | null>
  /** Newest first. */
  list(of: RequestsOf): Promise<Approval[]>
  /** How many requests of an agent there were within a day, `most` at the most. */
  countLately(agent: string, most: number): Promise<number>
  /** Resolves when the request is in another state, or after so many milliseconds; true when it is. */
  waitFor(id: string, state: ApprovalState, ms: number): Promise<boolean>
  /** Takes a decision: requests.ts. */
  decide(decision: Decision): Change<Approval>
  /** Uses an approval up: requests.ts. */
  use(use: Use): Change<"used" | "again">
  /** Takes back a use by the entry of a decision that was thrown away. */
  giveBack(id: string, entry: string): Change<void>
  /** Withdraws what waits, and what was approved and not used. */
  withdraw(of: WithdrawnOf, reason: string, by: string): Change<Approval[]>
  /** Leave for more of the same. */
  readonly grants: Grants
  /** How much people were asked in the last so many hours, beside so many actions. */
  fatigue(of: { hours: number; actions: number }): Promise<FatigueReport>
  /** Agents that people reported, and who lifts that. */
  readonly reports: Reports
  /** Expires what is due; the room does it by itself. */
  expire(): Change<Approval[]>
}
