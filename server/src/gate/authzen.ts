import { z } from "zod"
import type { Json } from "#kernel"
import type { AccessQuestion, Decision } from "#policy"

/** Evaluations of one request; each is a decision of its own. */
export const MAX_EVALUATIONS = 256

const name = z.string().min(1).max(256)
const id = z.string().min(1).max(1_024)
const named = z.record(z.string(), z.json())
const thing = z.object({ type: name, id, properties: named.optional() })
const action = z.object({ name, properties: named.optional() })
const page = z.object({ token: z.string().max(500).optional(), limit: z.int().min(1).optional() })

/** AuthZEN 1.0, access evaluation. What is unknown is ignored, as the standard asks. */
export const evaluationSchema = z.object({ subject: thing, action, resource: thing, context: named.optional() })

/** The same where a member that nothing reads is a mistake: in files that somebody writes. */
export const writtenEvaluationSchema = z.strictObject({
  subject: thing.strict(),
  action: action.strict(),
  resource: thing.strict(),
  context: named.optional(),
})

/** AuthZEN 1.0, access evaluations: members at the top are defaults; an evaluation that is not whole is denied by itself. */
export const evaluationsSchema = z.object({
  subject: thing.partial().optional(),
  action: action.partial().optional(),
  resource: thing.partial().optional(),
  context: named.optional(),
  evaluations: z.array(named).max(MAX_EVALUATIONS).optional(),
  options: z
    .object({
      evaluations_semantic: z.enum(["execute_all", "deny_on_first_deny", "permit_on_first_permit"]).optional(),
    })
    .optional(),
})

/** AuthZEN 1.0, subject search: what is searched for has no id, and one that comes along is ignored. */
export const subjectSearchSchema = evaluationSchema.extend({ subject: thing.omit({ id: true }), page: page.optional() })

/** AuthZEN 1.0, resource search. */
export const resourceSearchSchema = evaluationSchema.extend({
  resource: thing.omit({ id: true }),
  page: page.optional(),
})

/** AuthZEN 1.0, action search: it names no action, and so none of an action's properties. */
export const actionSearchSchema = evaluationSchema.omit({ action: true }).extend({ page: page.optional() })

/** A request for several decisions. */
export type Evaluations = z.infer<typeof evaluationsSchema>

/** One evaluation of several: whole, or what is missing in words. */
export type Evaluation = { question: AccessQuestion } | { problem: string }

/**
 * The evaluations of a request with its defaults: a member of an evaluation takes the place of the default, but for a
 * required part (type, id, name) that only the default has. Null when there is none: then the top is the question.
 */
export function evaluationsOf({ evaluations, subject, action, resource, context }: Evaluations): Evaluation[] | null {
  if (evaluations === undefined || evaluations.length === 0) return null
  return evaluations.map((item) => {
    const whole = {
      subject: overlaid(subject, item["subject"], ["type", "id"]),
      action: overlaid(action, item["action"], ["name"]),
      resource: overlaid(resource, item["resource"], ["type", "id"]),
      context: item["context"] === undefined ? context : item["context"],
    }
    const parsed = evaluationSchema.safeParse(whole)
    return parsed.success ? { question: parsed.data } : { problem: problemOf(parsed.error) }
  })
}

/** A decision as AuthZEN writes it: only `allow` is true. `entry` is the log's, which holds that it was asked. */
export function decisionView({ verdict, policies, reasons, version }: Decision, entry: string) {
  return {
    decision: verdict === "allow",
    context: {
      entry,
      policies: policies.map((policy) => policy.id),
      policy_version: version,
      ...(reasons.length > 0 ? { reason_admin: { en: reasons.join(" ") } } : {}),
      // An approval would lift it. This question cannot bring one: who acts asks the gate.
      ...(verdict === "ask" ? { approval_needed: "user" } : {}),
    },
  }
}

/** An evaluation that is not whole: AuthZEN 1.0, errors in individual evaluations. */
export function problemView(problem: string, entry: string) {
  return { decision: false, context: { entry, error: { status: 400, message: problem } } }
}

/** The metadata of a policy decision point. `base` is what it was found by, `endpoints` where it listens. */
export function metadataOf(base: string, endpoints: string) {
  const at = (path: string) => `${endpoints.replace(/\/$/, "")}/access/v1/${path}`
  return {
    policy_decision_point: base,
    access_evaluation_endpoint: at("evaluation"),
    access_evaluations_endpoint: at("evaluations"),
    search_subject_endpoint: at("search/subject"),
    search_resource_endpoint: at("search/resource"),
    search_action_endpoint: at("search/action"),
    // AuthZEN Access Request and Approval Profile, draft 1
    access_request_endpoint: at("requests"),
    capabilities: ["urn:openid:authzen:capability:access-request"],
  }
}

/** The first mistake of a request, in words, with its place. */
export function problemOf({ issues: [issue] }: z.ZodError): string {
  return `${issue!.path.map(String).join(".").slice(0, 200)}: ${issue!.message.slice(0, 200)}`
}

function overlaid(
  standard: { [name: string]: Json | undefined } | undefined,
  own: Json | undefined,
  required: string[],
) {
  if (own === undefined) return standard
  if (!isNamed(own)) return own
  const parts = required.filter((part) => standard?.[part] !== undefined).map((part) => [part, standard![part]!])
  return { ...Object.fromEntries(parts), ...own }
}

function isNamed(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
