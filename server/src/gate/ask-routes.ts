import { z } from "zod"
import type { OperatorPrincipal, Principal } from "#agents"
import { type Json, Refusal, type Route, route } from "#kernel"
import type { Decision, PolicySet } from "#policy"
import { evaluateInSession } from "./access-requests/evaluate.ts"
import { accessRequestRoutes } from "./access-requests/routes.ts"
import { type Answered, type Asked, askPolicy, type Judge } from "./ask.ts"
import * as wire from "./authzen.ts"
import type { Rooms } from "./rooms.ts"
import { type Candidate, type Found, knownActions, knownIds, type Page, search } from "./search.ts"
import { createTurns, type Turns } from "./turns.ts"

type Handled = { caller: Principal | null; headers: Headers }
type InTurn = Rooms & { turns: Turns }
type Judged = { decision: Decision } | { problem: string }

/** Requests of many questions each that wait for each other; the last of them waits for about five seconds. */
const MOST_AT_ONCE = 64

/** AuthZEN Authorization API 1.0: policy questions of other enforcement points. */
export function askRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  // A request may ask a thousand questions: many such at once would leave agents' decisions no time in between.
  const turns = createTurns(MOST_AT_ONCE)
  const inTurn = { ...rooms, turns }
  const ask = <Body>(
    path: string,
    summary: string,
    body: z.ZodType<Body>,
    handle: (request: Handled & { body: Body }) => unknown,
  ) =>
    route<Principal | null, Body>({
      method: "POST",
      path: `/access/v1/${path}`,
      listeners: ["agents"],
      right: "ask-policy",
      events: ["policy.asked"],
      summary: `${summary} (AuthZEN 1.0)`,
      body,
      isOtherTypeBad: true,
      handle,
    })
  return [
    ask("evaluation", "Ask policy one question", wire.evaluationSchema, (request) => evaluateOne(rooms, request)),
    ask("evaluations", "Ask policy several questions", wire.evaluationsSchema, (request) =>
      evaluateAll(inTurn, request),
    ),
    ask("search/subject", "Ask who may", wire.subjectSearchSchema, (request) => {
      const { subject, page, ...rest } = request.body
      return searchFor(inTurn, request, "search-subject", page, (set) =>
        knownIds(rooms, set, subject.type).map((id) => ({
          result: { type: subject.type, id },
          question: { ...rest, subject: { ...subject, id } },
        })),
      )
    }),
    ask("search/resource", "Ask on what one may", wire.resourceSearchSchema, (request) => {
      const { resource, page, ...rest } = request.body
      return searchFor(inTurn, request, "search-resource", page, (set) =>
        knownIds(rooms, set, resource.type).map((id) => ({
          result: { type: resource.type, id },
          question: { ...rest, resource: { ...resource, id } },
        })),
      )
    }),
    ask("search/action", "Ask what one may", wire.actionSearchSchema, (request) => {
      const { page, ...rest } = request.body
      return searchFor(inTurn, request, "search-action", page, (set) =>
        knownActions(set, rest.subject.type, rest.resource.type).map((name) => ({
          result: { name },
          question: { ...rest, action: { name } },
        })),
      )
    }),
    ...accessRequestRoutes(rooms, () => urlsOf(rooms).agentsUrl),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/.well-known/authzen-configuration",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "Where policy can be asked (AuthZEN 1.0)",
      handle: ({ listener }) => {
        const { issuer, agentsUrl } = urlsOf(rooms)
        // A client compares it with what it found this by (AuthZEN 1.0, metadata validation).
        return wire.metadataOf(listener === "web" ? issuer : agentsUrl, agentsUrl)
      },
    }),
  ]
}

async function evaluateOne(rooms: Rooms, request: Handled & { body: z.infer<typeof wire.evaluationSchema> }) {
  const about = await evaluateInSession(rooms, askerOf(request), request.body, asked("evaluation", request))
  if (about !== null) return about
  const { answer, entry } = await askPolicy(
    rooms,
    askerOf(request),
    asked("evaluation", request),
    async (judge, set) => {
      const decision = await judge(request.body)
      return recorded(set, [{ decision }], decision)
    },
  )
  return wire.decisionView(answer, entry)
}

async function evaluateAll(rooms: InTurn, request: Handled & { body: wire.Evaluations }) {
  const { body } = request
  const evaluations = wire.evaluationsOf(body)
  if (evaluations === null) {
    const single = wire.evaluationSchema.safeParse(body)
    if (!single.success) throw new Refusal("invalid-request", `body.${wire.problemOf(single.error)}`)
    return await evaluateOne(rooms, { ...request, body: single.data })
  }
  const { answer, entry } = await askPolicy(
    rooms,
    askerOf(request),
    asked("evaluations", request),
    async (judge, set) => {
      const judged = await rooms.turns(() => inOrder(judge, evaluations, body.options?.evaluations_semantic))
      return recorded(set, judged, judged)
    },
  )
  return {
    evaluations: answer.map((each) =>
      "decision" in each ? wire.decisionView(each.decision, entry) : wire.problemView(each.problem, entry),
    ),
  }
}

/** AuthZEN 1.0, evaluations semantics: two of the three end at the first answer that settles it. */
async function inOrder(
  judge: Judge,
  evaluations: readonly wire.Evaluation[],
  semantic = "execute_all",
): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const evaluation of evaluations) {
    const each = "problem" in evaluation ? evaluation : { decision: await judge(evaluation.question) }
    judged.push(each)
    const isPermit = "decision" in each && each.decision.verdict === "allow"
    if (semantic === (isPermit ? "permit_on_first_permit" : "deny_on_first_deny")) break
  }
  return judged
}

async function searchFor<Result extends { type: string; id: string } | { name: string }>(
  rooms: InTurn,
  request: Handled & { body: unknown },
  kind: Asked["kind"],
  page: Page | undefined,
  candidatesOf: (set: PolicySet) => Candidate<Result>[],
): Promise<Found<Result>> {
  const { answer } = await askPolicy(rooms, askerOf(request), asked(kind, request), (judge, set) =>
    rooms.turns(() => search(judge, set, { candidates: candidatesOf(set), page })),
  )
  return answer
}

/** What an entry says of decisions: verdicts in order, and the policies that any of them came from. */
function recorded<Answer>({ version }: PolicySet, judged: readonly Judged[], answer: Answer): Answered<Answer> {
  const decisions = judged.flatMap((each) => ("decision" in each ? [each.decision] : []))
  return {
    answer,
    data: {
      verdicts: judged.map((each) => ("decision" in each ? each.decision.verdict : "incomplete")),
      policies: [...new Set(decisions.flatMap(({ policies }) => policies.map(({ id }) => id)))].sort(),
      policyVersion: version,
    },
  }
}

function asked(kind: Asked["kind"], { body, headers }: { body: unknown; headers: Headers }): Asked {
  return { kind, request: body as Json, requestId: headers.get("x-request-id")?.slice(0, 200) ?? null }
}

/** The right "ask-policy" was checked, and no agent has it; this tells the compiler. */
function askerOf({ caller }: Handled): OperatorPrincipal {
  if (caller?.kind !== "operator") throw new Refusal("wrong-role", "Only an operator may ask policy.")
  return caller
}

/** The metadata of the authorization server is where public URLs are told; the alias is the agents' listener. */
function urlsOf({ sessions }: Rooms): { issuer: string; agentsUrl: string } {
  const shape = z.object({ issuer: z.string(), mtls_endpoint_aliases: z.object({ token_endpoint: z.string() }) })
  const { issuer, mtls_endpoint_aliases: aliases } = shape.parse(sessions.metadata())
  return { issuer, agentsUrl: aliases.token_endpoint.replace(/\/oauth2\/token$/, "") }
}
