import { type PolicyJson, policySetTextToParts, policyToJson, validate } from "@cedar-policy/cedar-wasm/nodejs"
import { Refusal } from "#kernel"
import { parseEntities, refsIn } from "./entities.ts"
import { cedarMistake, mistake, position } from "./mistakes.ts"
import type { Policy, PolicyFile, PolicySet } from "./policy-set.ts"
import { parseSchemas, type Vocabulary } from "./vocabulary.ts"

const ANNOTATIONS = ["id", "purpose", "reason", "ask", "rung"]
const ASK_RUNGS: readonly unknown[] = ["tap", "sign", "quorum"]
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/
const MAX_POLICIES = 5_000

/** What other enforcement points' questions speak of: Cedar schemas, and entities as JSON. */
export type QuestionFiles = { schemas?: readonly PolicyFile[]; entities?: readonly PolicyFile[] }

/**
 * Policies of all files, with what questions may speak of. Throws `policy-invalid` with `detail: { file, line, column }` (1-based; columns count UTF-16
 * units) at the first mistake: broken text, what the schema does not know, a policy that can never apply, a template, a
 * missing or repeated `@id`, an unknown annotation, `@purpose` or no `@ask("user")` where it would weaken a forbid.
 */
export function parse(
  files: readonly PolicyFile[],
  version: string | null = null,
  { schemas, entities: entityFiles }: QuestionFiles = {},
): PolicySet {
  const vocabulary = parseSchemas(schemas)
  const entities = parseEntities(entityFiles, vocabulary)
  const policies: Policy[] = []
  const seen = new Map<string, Policy>()
  for (const file of files) {
    for (const policy of parseFile(file, vocabulary)) {
      const twin = seen.get(policy.id)
      if (twin !== undefined) {
        throw mistake(`@id("${policy.id}") is taken by ${twin.file}:${twin.line}.`, file, startOf(file, policy))
      }
      seen.set(policy.id, policy)
      policies.push(policy)
    }
  }
  if (policies.length > MAX_POLICIES) {
    throw new Refusal("policy-invalid", `There are ${policies.length} policies; at most ${MAX_POLICIES} are taken.`)
  }
  const copies = files.map(({ file, text }) => Object.freeze({ file, text }))
  return Object.freeze({
    files: Object.freeze(copies),
    policies: Object.freeze(policies),
    vocabulary,
    entities,
    version,
  })
}

function parseFile(file: PolicyFile, vocabulary: Vocabulary): Policy[] {
  const parts = policySetTextToParts(file.text)
  if (parts.type === "failure") throw cedarMistake(parts.errors, file)
  if (parts.policy_templates.length > 0) {
    const at = file.text.indexOf(parts.policy_templates[0]!)
    throw mistake("Templates (?principal, ?resource) are not taken; write the policy out.", file, at)
  }
  const answer = validate({ schema: vocabulary.text, policies: { staticPolicies: file.text } })
  if (answer.type === "failure") throw cedarMistake(answer.errors, file)
  // A warning names a policy that can never apply, or text that reads otherwise than it is: a forbid that does nothing.
  const [finding] = [...answer.validationErrors, ...answer.validationWarnings]
  if (finding !== undefined) throw cedarMistake([finding.error], file)

  let from = 0
  return inTextOrder(parts.policies).map((text) => {
    const at = Math.max(file.text.indexOf(text, from), 0)
    from = at + text.length
    const json = policyToJson(text)
    if (json.type === "failure") throw cedarMistake(json.errors, file)
    return annotated(json.json, text, file, at)
  })
}

/** Cedar sorts parts by their positional ids as text: policy0, policy1, policy10, policy2. */
function inTextOrder(parts: readonly string[]): string[] {
  const order = parts.map((_, at) => `policy${at}`).sort()
  const texts = new Map(order.map((id, at) => [id, parts[at]!]))
  return parts.map((_, at) => texts.get(`policy${at}`)!)
}

function annotated(json: PolicyJson, text: string, file: PolicyFile, at: number): Policy {
  const annotations = new Map<string, string | null>(Object.entries(json.annotations ?? {}))
  const refuse = (message: string) => mistake(message, file, at)
  for (const name of annotations.keys()) {
    if (!ANNOTATIONS.includes(name)) {
      throw refuse(`@${name} is not known; the annotations are @${ANNOTATIONS.join(", @")}.`)
    }
  }
  const id = annotations.get("id")
  if (id === undefined) throw refuse('A policy has no name; write @id("what-it-says") before it.')
  if (id === null || !NAME.test(id)) throw refuse("@id must be lower-case letters, digits and hyphens, at most 64.")
  const purpose = annotations.get("purpose")
  if (purpose !== undefined && (purpose === null || !NAME.test(purpose))) {
    throw refuse(`@purpose of ${id} must name a purpose.`)
  }
  // A slice holds only its own purpose's policies: such a forbid would silently not count anywhere else.
  if (purpose !== undefined && json.effect === "forbid") {
    throw refuse(`${id} is a forbid and may not carry @purpose; test context.purpose in its conditions.`)
  }
  const reason = annotations.get("reason")
  if (reason === null || reason?.trim() === "") throw refuse(`@reason of ${id} is empty.`)
  const ask = annotations.get("ask")
  if (ask !== undefined && (ask === null || !NAME.test(ask))) {
    throw refuse(`@ask of ${id} must be @ask("user"), or the name of a group of approvers.`)
  }
  if (ask !== undefined && json.effect === "permit") throw refuse(`${id} is a permit; only a forbid can carry @ask.`)
  const rung = annotations.get("rung")
  const rungs = json.effect === "permit" ? ["tell"] : ask === undefined ? [] : ASK_RUNGS
  if (rung !== undefined && !rungs.includes(rung)) {
    throw refuse(`@rung of ${id} must be "tell" on a permit, or "tap", "sign" or "quorum" beside @ask on a forbid.`)
  }
  // A quorum is of several people, and a user is one.
  if (rung === "quorum" && ask === "user") throw refuse(`${id} asks for a quorum; @ask must name a group of approvers.`)
  return Object.freeze({
    id,
    effect: json.effect,
    text,
    file: file.file,
    line: position(file.text, at).line,
    purpose: purpose ?? null,
    reason: reason ?? null,
    ask: ask ?? null,
    rung: (rung as Policy["rung"] | undefined) ?? null,
    mentions: Object.freeze(refsIn(json)),
  })
}

function startOf(file: PolicyFile, policy: Policy): number {
  const lines = file.text.split("\n").slice(0, policy.line - 1)
  return lines.reduce((sum, line) => sum + line.length + 1, 0)
}
