import { z } from "zod"
import { type DecidedBy, type Rehearsal, rehearse, writtenEvaluationSchema } from "#gate"
import { Refusal } from "#kernel"
import { type AccessQuestion, type AskedUser, type Decision, evaluate } from "#policy"
import { placed, readYaml, toValue } from "./document.ts"

const name = z.string().min(1).max(256)
const expected = {
  title: z.string().min(1).max(500),
  expect: z.enum(["allow", "deny", "ask"]),
  /** The policies that decide, exactly these; not looked at when absent. */
  policies: z.array(name).optional(),
}

/** What an agent asks of the gate. */
const actionCase = z.strictObject({
  ...expected,
  agent: z.union([name, z.array(name).min(1)]),
  /** A user's id, or one with the claims that policies look at. */
  user: z
    .union([
      name.transform((id) => ({ id })),
      z.strictObject({
        id: name.default("user"),
        provider: name.optional(),
        claims: z.record(name, z.array(z.string())).default({}),
      }),
    ])
    .optional(),
  purpose: name,
  action: z.enum(["credential", "tool", "sql", "http", "delegate"]).default("credential"),
  operation: name,
  resource: name,
  arguments: z.record(z.string(), z.json()).optional(),
  approved: z.boolean().optional(),
  labels: z.array(name).optional(),
  sinks: z.record(z.string(), z.enum(["verified", "failed", "unverifiable"])).optional(),
  requestText: z.enum(["none", "consent", "application", "passkey"]).optional(),
  /** Which of the questions decides. */
  by: z.enum(["agent", "ceiling", "mandate", "policy"]).optional(),
})

/** What another enforcement point asks (AuthZEN). */
const questionCase = z.strictObject({ ...expected, question: writtenEvaluationSchema })

type ActionCase = z.infer<typeof actionCase>
type QuestionCase = z.infer<typeof questionCase>

/** A golden case, and where it stands. */
export type Case = { file: string; line: number; case: ActionCase | QuestionCase }

/** What became of a case. `differences` says in words what is otherwise than expected; empty when nothing is. */
export type CaseResult = {
  file: string
  line: number
  title: string
  isPassed: boolean
  expected: { verdict: string; by?: DecidedBy; policies?: string[] }
  decided: { verdict: string; by: DecidedBy; policies: string[]; reasons: string[] }
  differences: string[]
}

/**
 * The cases of a YAML or JSON file, `cases: […]`. Throws `policy-invalid` with file, line and column: also for a member that
 * nothing reads, because a misspelt one would test nothing.
 */
export function readCases(path: string): Case[] {
  const { yaml, lines } = readYaml(path)
  const value = toValue({ yaml, lines }, path)
  try {
    const { cases } = parse(z.strictObject({ cases: z.array(z.unknown()).min(1) }), value, "")
    return cases.map((each, at) => {
      const hasQuestion = typeof each === "object" && each !== null && "question" in each
      const found = parse<ActionCase | QuestionCase>(hasQuestion ? questionCase : actionCase, each, `cases.${at}`)
      const node = yaml.getIn(["cases", at], true) as { range?: [number, number, number] } | undefined
      return { file: path, line: lines.linePos(node?.range?.[0] ?? 0).line, case: found }
    })
  } catch (error) {
    throw placed(error, path)
  }
}

/** A question of another enforcement point, in a file of its own: an AuthZEN evaluation request. */
export function readQuestion(path: string): AccessQuestion {
  const value = toValue(readYaml(path), path)
  try {
    return parse(writtenEvaluationSchema, value, "")
  } catch (error) {
    throw placed(error, path)
  }
}

/** Decides a case under a configuration, offline, and compares. */
export function runCase(rehearsal: Rehearsal, { file, line, case: asked }: Case): CaseResult {
  const { decision, by } = decideCase(rehearsal, asked)
  const policies = decision.policies.map(({ id }) => id).sort()
  const wanted = asked.policies?.toSorted()
  const wantedBy = "by" in asked ? asked.by : undefined
  const differences = [
    ...(decision.verdict === asked.expect ? [] : [`verdict: expected ${asked.expect}, is ${decision.verdict}`]),
    ...(wantedBy === undefined || wantedBy === by ? [] : [`decided by: expected ${wantedBy}, is ${by}`]),
    ...(wanted === undefined || wanted.join() === policies.join()
      ? []
      : [`policies: expected ${list(wanted)}, are ${list(policies)}`]),
  ]
  return {
    file,
    line,
    title: asked.title,
    isPassed: differences.length === 0,
    expected: {
      verdict: asked.expect,
      ...(wantedBy === undefined ? {} : { by: wantedBy }),
      ...(wanted === undefined ? {} : { policies: wanted }),
    },
    decided: { verdict: decision.verdict, by, policies, reasons: decision.reasons },
    differences,
  }
}

function decideCase(rehearsal: Rehearsal, asked: ActionCase | QuestionCase): { decision: Decision; by: DecidedBy } {
  if ("question" in asked) return { decision: evaluate(rehearsal.set, asked.question), by: "policy" }
  const { agent, user, purpose, action: type, operation, resource, approved, labels, sinks, requestText } = asked
  return rehearse(rehearsal, {
    agents: typeof agent === "string" ? [agent] : agent,
    purpose,
    action: { type, resource, operation },
    ...(user === undefined ? {} : { user: user as AskedUser }),
    ...(approved === undefined ? {} : { approved }),
    ...(labels === undefined ? {} : { labels }),
    ...(sinks === undefined ? {} : { sinks }),
    ...(requestText === undefined ? {} : { requestText }),
    ...(asked.arguments === undefined ? {} : { arguments: asked.arguments }),
  })
}

function parse<Value>(schema: z.ZodType<Value>, value: unknown, at: string): Value {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  // The member itself, not what holds it, is where an unknown one stands.
  const unknown = issue?.code === "unrecognized_keys" ? [issue.keys[0]!] : []
  const path = [...(at === "" ? [] : [at]), ...(issue?.path ?? []), ...unknown].map(String).join(".")
  const what = path === "" ? "" : `${path}: `
  throw new Refusal("policy-invalid", `${what}${issue?.message}.`, { detail: { path } })
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ")
}
