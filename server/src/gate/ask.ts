import { setImmediate } from "node:timers/promises"
import type { OperatorPrincipal } from "#agents"
import type { Change, Draft } from "#audit"
import { canonical, type Id, type Json, newId, Refusal, refusalCode } from "#kernel"
import { type AccessQuestion, type Decision, deniedBy, evaluate, isOwn, ownAction, type PolicySet } from "#policy"
import { rehearse } from "./rehearse.ts"
import type { Rooms } from "./rooms.ts"

/** What another enforcement point asks for, as AuthZEN names it, and the request as it is recorded. */
export type Asked = {
  kind: "evaluation" | "evaluations" | "search-subject" | "search-resource" | "search-action"
  request: Json
  /** The enforcement point's own name for the request. */
  requestId: string | null
}

/** Answers one question after another, all under the same version. */
export type Judge = (question: AccessQuestion) => Promise<Decision>

/** An answer, and what of it is recorded: `data` names nobody, `personal` may. */
export type Answered<Answer> = {
  answer: Answer
  data: { [name: string]: Json }
  personal?: { [name: string]: Json }
  /** What the answer uses up, in the transaction that records it; `entry` is that one's. */
  using?: (entry: Id<"entry">) => Change<unknown>
}

/** How often a question is answered anew because what the answer stood on was taken away meanwhile. */
const MAX_TRIES = 5
/** Questions between two looks at what else there is to do: about five milliseconds of work. */
const QUESTIONS_IN_A_ROW = 16

/**
 * Answers another enforcement point out of the policies in force, in one recorded step: what cannot be recorded is not
 * answered. It releases and reserves nothing; an approval that the answer stands on is used up by it. Throws `policy-broken`, `store-unavailable`, `epoch-changed`.
 */
export async function askPolicy<Answer>(
  rooms: Rooms,
  caller: OperatorPrincipal,
  asked: Asked,
  answer: (judge: Judge, set: PolicySet) => Promise<Answered<Answer>>,
): Promise<{ answer: Answer; entry: string; at: string }> {
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const epoch = rooms.epoch.current
    const made = await answerNow(rooms, answer)
    const committed = await rooms.audit.commit(recording(draftOf(caller, asked, made), made.using)).catch(unlessUsed)
    // Somebody else used up what it stood on.
    if (committed === null) continue
    // A crash here leaves an entry that somebody asked, and nobody who was answered.
    const { id: entry, at } = committed.entries[0]!
    if (committed.epoch === epoch) return { answer: made.answer, entry, at }
    await rooms.epoch.refresh()
    const again = await answerNow(rooms, answer)
    if (isSame(again, made)) return { answer: made.answer, entry, at }
  }
  throw new Refusal("epoch-changed", "Rights changed while this was answered, several times. Try again.")
}

function recording(draft: Draft, using: Answered<unknown>["using"]): Change<unknown> {
  if (using === undefined) return { entries: () => [draft] }
  const id = newId("entry")
  const change = using(id)
  return { work: change.work!, entries: (result) => [{ ...draft, id }, ...change.entries(result)] }
}

function unlessUsed(error: unknown): null {
  if (["approval-used", "approval-over"].includes(refusalCode(error) ?? "")) return null
  throw error
}

async function answerNow<Answer>(
  rooms: Rooms,
  answer: (judge: Judge, set: PolicySet) => Promise<Answered<Answer>>,
): Promise<Answered<Answer>> {
  const set = rooms.policy.inForce()
  let count = 0
  const judge: Judge = async (question) => {
    count += 1
    if (count % QUESTIONS_IN_A_ROW === 0) await setImmediate()
    const decision = judgeOne(rooms, set, question)
    if (decision.errors.length > 0) rooms.log.warn("a question could not be evaluated", { errors: decision.errors })
    return decision
  }
  return await answer(judge, set)
}

/**
 * An agent of ours that may not act at all is denied whatever policies say. About our own resources it is asked as the gate
 * would: its purposes, its ceiling and what the purpose is for, before policy.
 */
function judgeOne(rooms: Rooms, set: PolicySet, question: AccessQuestion): Decision {
  const { subject, resource } = question
  if (subject.type !== "agents::Agent") return evaluate(set, question)
  const agent = (name: string) => {
    const found = rooms.agents.agent(name)
    return found?.state === "active" ? found : null
  }
  if (agent(subject.id) === null) {
    return { ...deniedBy(["There is no agent of this name that may act."]), version: set.version }
  }
  const own = isOwn(question) ? ownAction(question) : null
  if (own === null) return evaluate(set, question)
  const { type, operation, purpose } = own
  const parts = rooms.credentials.current()
  const bounds = {
    agent,
    purpose: (name: string) => rooms.sessions.purpose(name),
    resource: (name: string) => (Object.hasOwn(parts, name) ? parts[name]! : null),
    set,
  }
  const action = { type, resource: resource.id, operation }
  return rehearse(bounds, { agents: [subject.id], purpose, action }).decision
}

function isSame(a: Answered<unknown>, b: Answered<unknown>): boolean {
  return canonical([a.data, a.personal ?? {}]) === canonical([b.data, b.personal ?? {}])
}

function draftOf<Answer>(
  { spiffeId }: OperatorPrincipal,
  { kind, request, requestId }: Asked,
  { data, personal }: Answered<Answer>,
): Draft {
  return {
    event: "policy.asked",
    by: spiffeId,
    data: { kind, ...data },
    // Subjects, resources and what is said of them may be people.
    personal: { request, ...(requestId === null ? {} : { requestId }), ...personal },
  }
}
