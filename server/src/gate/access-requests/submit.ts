import { z } from "zod"
import type { OperatorPrincipal } from "#agents"
import type { Approval, Held } from "#approvals"
import type { Change, Leaf } from "#audit"
import { canonical, isId, type Json, newId, Refusal, refusalCode, sha256 } from "#kernel"
import type { AccessQuestion } from "#policy"
import { aboutSession, usingUp } from "#sessions"
import { actionReference } from "../action.ts"
import { evaluationSchema } from "../authzen.ts"
import type { Rooms } from "../rooms.ts"
import { isAskedBy } from "./asked-by.ts"
import { REQUESTABLE_MS } from "./evaluate.ts"
import { decideIn, inSession } from "./in-session.ts"

const denial = z.looseObject({
  evaluation_id: z.string().max(100).optional(),
  expires_at: z.string().max(100),
  /** We give none out: the service and the decision point are one, and the denial is found by its name. */
  binding_token: z.string().optional(),
})

/** An access request; what is unknown is ignored, as the profile asks. */
export const submissionSchema = evaluationSchema.extend({
  denial,
  /** Several requests in one are not taken. */
  items: z.never().optional(),
  client: z.looseObject({ actor: z.unknown().optional() }).optional(),
})

/** An access request, parsed. */
export type Submission = z.infer<typeof submissionSchema>

/** Problem types of the profile that a submission may have. */
export type SubmissionProblem = "not_requestable" | "expired_denial" | "invalid_denial_binding" | "duplicate_request"

/** A request that waits, or why there is none. */
export type Submitted = { approval: Approval } | { problem: SubmissionProblem; detail: string }

const KEPT_MS = 48 * 3_600_000

/**
 * Asks for the approval of what was denied: of exactly that, within ten minutes, by whoever was told that it can be. Decided anew
 * before anybody is asked. Throws what pacing refuses with.
 */
export async function submit(
  rooms: Rooms,
  caller: OperatorPrincipal,
  submission: Submission,
  idempotencyKey: string | null,
): Promise<Submitted> {
  const leaf = await denialOf(rooms, caller, submission)
  if ("problem" in leaf) return leaf
  const found = await inSession(rooms, leaf.question)
  const decided =
    found === null ? null : await decideIn(rooms, found, { asker: caller, approval: null, key: newId("evaluation") })
  if (found === null || decided?.asking == null) {
    return {
      problem: "not_requestable",
      detail: "What was denied is allowed by now, or nobody could approve it any more.",
    }
  }
  const { request: asking, tells } = decided.asking
  const entry = newId("entry")
  const request = rooms.approvals.request({ ...asking, entry }, tells)
  const once = onceFor(caller, idempotencyKey, submission)
  const asked: Change<Held> = {
    // A crash after this leaves a request that people can decide; the same submitted again is the same request.
    async work(tx) {
      await once?.work?.(tx)
      return await request.work!(tx)
    },
    entries: (held) => [
      {
        ...{ id: entry, event: "gate.access-requested", by: caller.spiffeId },
        ...aboutSession(found.standing.session),
        action: actionReference(asking.action),
        data: {
          denial: leaf.id,
          approval: held.approval?.id ?? null,
          ...(held.refused && { code: held.refused.code }),
        },
      },
      ...request.entries(held),
    ],
  }
  const held = await commit(rooms, asked)
  if (held === null)
    return { problem: "duplicate_request", detail: "The Idempotency-Key came with another request before." }
  if (held.refused !== null) throw new Refusal(held.refused.code, held.refused.words)
  if (held.approval.entry === entry || (await isAskedBy(rooms, caller, held.approval)))
    return { approval: held.approval }
  return { problem: "not_requestable", detail: "The agent itself has asked for it, and is told." }
}

/** Null when the key was another request's. */
async function commit({ audit }: Rooms, asked: Change<Held>): Promise<Held | null> {
  try {
    return (await audit.commit(asked)).result
  } catch (error) {
    if (refusalCode(error) === "idempotency-conflict") return null
    throw error
  }
}

/** The entry of the denial, which says what was asked; the log is what the two sides share. */
async function denialOf(
  rooms: Rooms,
  caller: OperatorPrincipal,
  { denial: { evaluation_id: id, binding_token: token }, client, ...submitted }: Submission,
): Promise<{ question: AccessQuestion; id: string } | Exclude<Submitted, { approval: Approval }>> {
  const unbound = (detail: string) => ({ problem: "invalid_denial_binding", detail }) as const
  if (token !== undefined) return unbound("No binding_token is given out here; the denial is bound by evaluation_id.")
  if (client?.actor !== undefined) return unbound("Who acts is the subject's agent alone; leave client.actor out.")
  const view = id === undefined || !isId("entry", id) ? null : await rooms.audit.entry(id).catch(unlessUnknown)
  if (view === null || !isDenialFor(view.leaf, caller)) return unbound("There is no such denial of yours.")
  const question = evaluationSchema.safeParse(view.disclosures?.["request"]?.value)
  if (!question.success) return unbound("What was asked is not kept any more.")
  if (bindingOf(question.data) !== bindingOf(submitted)) return unbound("This is not what was denied.")
  if (view.leaf.data?.["requestable"] !== true) {
    return { problem: "not_requestable", detail: "The denial did not say that it can be requested." }
  }
  if (Date.parse(view.leaf.at) + REQUESTABLE_MS <= rooms.clock.nowMs()) {
    return { problem: "expired_denial", detail: "The denial is too old. Evaluate again." }
  }
  return { question: question.data, id: view.id }
}

function unlessUnknown(error: unknown): null {
  if (refusalCode(error) === "not-found") return null
  throw error
}

function isDenialFor({ event, by, data }: Leaf, { spiffeId }: OperatorPrincipal): boolean {
  const verdicts = data?.["verdicts"] as readonly string[] | undefined
  return event === "policy.asked" && by === spiffeId && data?.["kind"] === "evaluation" && verdicts?.[0] === "ask"
}

/** Subject, resource, action, and what of the context decides: purpose and session. Compared as canonical JSON (RFC 8785). */
function bindingOf({ subject, resource, action, context = {} }: AccessQuestion): string {
  const { purpose = null, session = null } = context
  return canonical({ subject, resource, action, context: { purpose, session } } as unknown as Json)
}

/** The same key with the same request is the same request, and with another a conflict. Null without a key. */
function onceFor({ spiffeId }: OperatorPrincipal, key: string | null, submission: Submission): Change<void> | null {
  if (key === null) return null
  const body = sha256(canonical(submission as unknown as Json)).toString("base64url")
  const conflict = () => new Refusal("idempotency-conflict", "This Idempotency-Key was used for another request.")
  const of = (jti: string) =>
    usingUp({ kind: "access-request", maker: spiffeId, jti, expiresAtMs: Date.now() + KEPT_MS }, conflict)
  return {
    async work(tx) {
      const isUsed = async (change: Change<void>) => {
        try {
          await change.work!(tx)
          return false
        } catch (error) {
          if (refusalCode(error) === "idempotency-conflict") return true
          throw error
        }
      }
      const isKnownKey = await isUsed(of(`${key} key`))
      const isKnownBody = await isUsed(of(`${key} ${body}`))
      if (isKnownKey && !isKnownBody) throw conflict()
    },
    entries: () => [],
  }
}
