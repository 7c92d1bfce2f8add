import { lookupsOf } from "./look-ups.ts"
import type { StartRecord } from "./record.ts"
import { askingWords, nounsOf, SOURCES, spokenForms } from "./requests.ts"
import { isMoney, isNumeric, kindOf, looksOutside, type Role, roleOf, typesOf, wordsOf } from "./roles.ts"
import type { Schema, Suite, Tool, Value } from "./suite.ts"

/** A rule of an argument, as safeconduct.yaml has it. */
export type Rule = { [kind: string]: unknown }

/** What an agent may do with one tool, as safeconduct.yaml has it. */
export type Detail = {
  type: "safeconduct_action"
  actions: string[]
  locations: string[]
  arguments?: { [argument: string]: Rule[] }
  sinks?: string[]
  only: string[]
  limits?: { uses: number }[]
}

/** The resource that a suite's tools are. */
export const TOOLS = "tools"
/** The resource that holds the record. */
export const RECORD = "record"

/** More often nobody's request has a tool act. */
const MOST_USES = 40

/** What the user's agent may do: when the request only asks for something to be told, and when it wants something done. */
export type Purposes = { answer: Detail[]; act: Detail[] }

/**
 * Compiles what may be done with a suite's tools, from their schemas and the shape of the record alone: for every request alike, and
 * without a look at what anybody asked, did or attacked.
 */
export function purposesOf({ tools }: Pick<Suite, "tools">, record: StartRecord): Purposes {
  const lookups = new Set(Object.keys(lookupsOf(record)))
  const said = tools.filter((tool) => kindOf(tool) !== "looks").map(({ name }) => askingWords(name))
  const known: Known = { has: (name) => lookups.has(name), claims: Object.keys(record.own), said: inTurn(said) }
  const looking = tools.filter((tool) => kindOf(tool) === "looks").map((tool) => detailOf(tool, known))
  const acting = tools.filter((tool) => kindOf(tool) !== "looks").map((tool) => detailOf(tool, known))
  return { answer: looking, act: [...looking, ...acting] }
}

/** The first of each list, then the second of each, and so on, each once: where not all have room, what is plainest has. */
function inTurn(lists: readonly string[][]): string[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  const all = Array.from({ length: longest }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat()
  return [...new Set(all)]
}

/** What rules may name. */
type Known = {
  has: (lookup: string) => boolean
  claims: readonly string[]
  /** Words by which a request asks for anything to be done. */
  said: readonly string[]
}

function detailOf(tool: Tool, known: Known): Detail {
  const schemas = Object.entries(tool.parameters.properties ?? {})
  const common = { type: "safeconduct_action", actions: [`tool:${tool.name}`], locations: [TOOLS] } as const
  const detail: Detail = {
    ...common,
    actions: [...common.actions],
    locations: [...common.locations],
    only: schemas.map(([name]) => name),
  }
  const kind = kindOf(tool)
  if (kind === "looks") {
    // What stays among the user's own systems may be looked for freely.
    if (!looksOutside(tool)) return detail
    const asked = schemas.filter(([, schema]) => !typesOf(schema).every((type) => type === "boolean"))
    const rules = asked.map(
      ([name, schema]) => [name, rulesOf(name, schema, tool, outsideRole(name, schema), known)] as const,
    )
    return rules.length === 0 ? detail : { ...detail, arguments: Object.fromEntries(rules) }
  }
  const roles = schemas.map(([name, schema]) => ({ name, schema, role: roleOf(name, schema) }))
  const rules = roles.map(({ name, schema, role }) => [name, rulesOf(name, schema, tool, role, known)] as const)
  const isAnchored = roles.some(({ role }) => !["moment", "annotation", "flag"].includes(role))
  const asking: Rule = { anyOf: [{ requestSays: askingWords(tool.name) }, { approval: "user" }] }
  const request = isAnchored ? [asking] : [asking, { approval: "user" }]
  const own = Object.fromEntries(rules)
  return {
    ...detail,
    arguments: { ...own, request: [...request, ...(own["request"] ?? [])] },
    limits: [{ uses: MOST_USES }],
  }
}

/** What others can read tells them something, wherever in it that stands. */
function outsideRole(name: string, schema: Schema): Role {
  const role = roleOf(name, schema)
  return role === "destination" ? role : "value"
}

function rulesOf(name: string, schema: Schema, tool: Tool, role: Role, known: Known): Rule[] {
  const isOptional = !(tool.parameters.required ?? []).includes(name)
  const nothing = [schema.default, ...(typesOf(schema).includes("string") ? [""] : [])].filter(isScalar)
  // What a tool takes for itself where nothing is given says no more than that.
  const leftOut: Rule[] = isOptional ? [{ absent: true }, ...nothing.map((constant) => ({ constant }))] : []
  // Of what has parts, no rule says which part decides.
  if (hasParts(schema)) return [{ anyOf: [...leftOut, ASK] }]
  const isList = typesOf(schema).includes("array")
  const anyOf = (rules: Rule[]) => ({ [isList ? "eachOf" : "anyOf"]: [...leftOut, ...rules] })
  const alternatives = anyOf(alternativesOf(name, schema, tool, role, known))
  const within = kindOf(tool) === "takes-away" ? { part: partFor(tool, known) } : {}
  const choices = role === "value" ? choicesOf(schema) : []
  if (choices.length > 0) return choiceRules(choices).map((rule) => ({ ...anyOf(rule), ...within }))
  const rules: Rule[] = [{ ...alternatives, ...within }]
  // What a request says of a flag, it says whatever its value, and of an amount below nothing nobody speaks.
  if (role === "flag") rules.push(anyOf([{ oneOf: [true, false] }]))
  if (role === "amount") rules.push(anyOf([{ atLeast: 0 }]))
  return rules
}

/** Words among which an argument chooses; empty where it may be anything, or where there are more than a person would choose among. */
function choicesOf({ enum: own, items, anyOf = [] }: Schema): string[] {
  const given = own ?? items?.enum ?? anyOf.flatMap(choicesOf)
  const isWords = given.every((each) => typeof each === "string" && each !== "")
  return isWords && given.length <= MOST_CHOICES ? (given as string[]) : []
}

const MOST_CHOICES = 40

/** One of them, and whichever it is, the request says that one, as a tool writes it or in a form that people do. */
function choiceRules(choices: readonly string[]): Rule[][] {
  const said = choices.map((choice) => {
    const others = choices.filter((each) => each !== choice)
    const forms = spokenForms(choice)
    return [
      ...(others.length > 0 ? [{ oneOf: others }] : []),
      IN_REQUEST,
      ...(forms.length > 0 ? [{ requestSays: forms }] : []),
      ASK,
    ]
  })
  return [[{ oneOf: choices }], ...said]
}

function isScalar(value: Value | undefined): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
}

function hasParts(schema: Schema): boolean {
  const { items, anyOf = [] } = schema
  return (
    typesOf(schema).includes("object") ||
    (items !== undefined && typesOf(items).some((type) => type === "object" || type === "array")) ||
    anyOf.some(hasParts)
  )
}

/** What a request says is to be taken away, it does not say of what else it names. */
function partFor({ name }: Tool, { said }: Known): { from: string[]; until?: string[] } {
  const from = askingWords(name)
  // In "delete the file a.txt" nobody files anything.
  const nouns = nounsOf(name)
  const until = said.filter((word) => !from.includes(word) && !nouns.includes(word)).slice(0, 256)
  return until.length === 0 ? { from } : { from, until }
}

const ASK: Rule = { approval: "user" }
const IN_REQUEST: Rule = { inRequest: true }
const DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
const MOMENTS: Rule[] = [
  DAY,
  `${DAY}[ T][0-9]{2}:[0-9]{2}`,
  `${DAY}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}`,
  "[0-9]{2}:[0-9]{2}",
].map((pattern) => ({ pattern }))

function alternativesOf(name: string, schema: Schema, tool: Tool, role: Role, { has, claims }: Known): Rule[] {
  const kind = kindOf(tool)
  const lookup = (rule: string, of: string): Rule[] => (has(of) ? [{ [rule]: of }] : [])
  const source: Rule = { fromSource: { words: SOURCES, ...(has("documents") ? { names: "documents" } : {}) } }
  const ids = typesOf(schema).some(isNumeric) ? "thing-numbers" : "thing-names"
  switch (role) {
    case "destination":
      return [
        IN_REQUEST,
        ...claims.map((userClaim) => ({ userClaim })),
        ...lookup("named", "places"),
        ...lookup("named", "people"),
        ...lookup("choice", "known"),
        source,
      ]
    case "secret":
      return [IN_REQUEST, source]
    case "object":
      return [
        IN_REQUEST,
        ...lookup("named", "things"),
        // To change one of the user's own, all that is changed has to be verified; which one it is then need not be, as long as
        // that is more than one of a few words.
        ...(kind === "changes" && saysMore(tool) ? lookup("lookedUp", ids) : []),
        ASK,
      ]
    case "amount":
      // Of days, copies or seats, what was ever paid says nothing.
      return [IN_REQUEST, ...(isMoney(name) ? lookup("atMostLookedUp", "largest") : []), ASK]
    case "content":
      return [IN_REQUEST, ...(kind === "creates" && !reachesOthers(tool) ? [{ plainText: 5_000 }] : []), ASK]
    case "annotation":
      return kind === "changes" ? [IN_REQUEST, ASK] : [{ plainText: 200 }, ASK]
    case "moment":
      return kind === "changes" || !isTied(tool) ? [IN_REQUEST, ASK] : [...MOMENTS, { plainText: 40 }, ASK]
    case "flag":
      // Where a tool takes yes for itself, no says something: `private` or `read_only` turned off opens what was closed.
      return [
        ...(kind === "changes" || schema.default === true ? [] : [{ constant: false }]),
        { requestSays: flagWords(name) },
        ASK,
      ]
    case "value":
      // What only looks, but where others read it, is told nothing out of the record.
      return [
        IN_REQUEST,
        ...(kind === "looks" ? [] : [...lookup("named", "things"), ...lookup("named", "people")]),
        ASK,
      ]
  }
}

function rolesOf({ parameters }: Tool, names: readonly string[]): Role[] {
  return names.map((name) => roleOf(name, parameters.properties?.[name] ?? {}))
}

function reachesOthers(tool: Tool): boolean {
  return rolesOf(tool, Object.keys(tool.parameters.properties ?? {})).includes("destination")
}

/** True when something else of it is what only the user's own words, or their record, can say. */
function saysMore({ parameters: { properties = {} } }: Tool): boolean {
  return Object.entries(properties).some(
    ([name, schema]) =>
      ["destination", "secret", "amount", "content", "value"].includes(roleOf(name, schema)) &&
      choicesOf(schema).length === 0,
  )
}

/** True when what has to be given names whom, where, which or what: then when it happens is free. */
function isTied(tool: Tool): boolean {
  return rolesOf(tool, tool.parameters.required ?? []).some((role) =>
    ["destination", "object", "secret", "value"].includes(role),
  )
}

function flagWords(name: string): string[] {
  const said = wordsOf(name).filter((word) => word.length > 2)
  return /recur|repeat/i.test(name)
    ? [...said, "monthly", "weekly", "daily", "every month", "every week", "standing order"]
    : said.length > 0
      ? said
      : [name]
}
