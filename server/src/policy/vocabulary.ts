import { readFileSync } from "node:fs"
import { checkParseSchema, type SchemaJson, schemaToJsonWithResolvedTypes } from "@cedar-policy/cedar-wasm/nodejs"
import { type Json, Refusal } from "#kernel"
import { mistake, sentenceOf } from "./mistakes.ts"
import type { PolicyFile } from "./policy-set.ts"

/** The Cedar schema of our own questions in its human form. */
export const ownSchema = readFileSync(new URL("./schema.cedarschema", import.meta.url), "utf8")

/** Rooms' names: what stands under them is ours to say. */
const RESERVED = [
  ...["kernel", "audit", "agents", "sessions", "policy", "approvals"],
  ...["credentials", "gate", "detections", "enforce", "api", "programs"],
]

type Namespaces = SchemaJson<string>
/** A type as Cedar writes it out: a record, a set, a basic type, or the name of a common type. */
type Shape = { type: string; element?: Shape; attributes?: { [name: string]: Shape } }

/** An action of the schema, and what it is asked of. */
export type KnownAction = { namespace: string; id: string; principals: readonly string[]; resources: readonly string[] }

/** What questions can speak of: our own schema, and that of other enforcement points. Immutable. */
export type Vocabulary = {
  files: readonly PolicyFile[]
  /** Both schemas as one text. */
  text: string
  /** Entity types of the configuration's own schema, by full name. */
  types: ReadonlyMap<string, Shape | null>
  actions: readonly KnownAction[]
  namespaces: Namespaces
}

/** The vocabulary of a configuration that has no schema of its own. */
export const ownVocabulary = readVocabulary([], ownSchema)

/**
 * Our own schema together with these files. Throws `policy-invalid` with file, line and column for broken text, for a type
 * that is not declared, for a declaration outside of a namespace, and for one in a namespace of ours.
 */
export function parseSchemas(files: readonly PolicyFile[] = []): Vocabulary {
  if (files.length === 0) return ownVocabulary
  for (const file of files) refuseReserved(file)
  const text = [ownSchema, ...files.map((each) => each.text)].join("\n")
  const answer = checkParseSchema(text)
  if (answer.type === "failure") {
    const [error] = answer.errors
    const { file, at } = placeIn(files, error?.sourceLocations?.[0]?.start ?? 0)
    throw mistake(sentenceOf(error), file, at)
  }
  const made = readVocabulary(Object.freeze(files.map(({ file, text }) => Object.freeze({ file, text }))), text)
  // What Cedar read, not what the text looks like: a string may hold what begins a comment.
  const taken = Object.keys(made.namespaces).find(
    (name) => isReserved(name) && !Object.hasOwn(ownVocabulary.namespaces, name),
  )
  if (taken === undefined) return made
  const file = files.find((each) => each.text.includes(taken)) ?? files[0]!
  throw reserved(taken, file, Math.max(file.text.indexOf(taken), 0))
}

function readVocabulary(files: readonly PolicyFile[], text: string): Vocabulary {
  const answer = schemaToJsonWithResolvedTypes(text)
  if (answer.type === "failure") throw new Refusal("policy-invalid", `schema: ${sentenceOf(answer.errors[0])}`)
  const { json } = answer
  if (json[""] !== undefined) {
    throw mistake("Declarations stand in a namespace of their own: namespace app { … }.", files[0]!, 0)
  }
  const foreign = Object.entries(json).filter(([name]) => !isReserved(name))
  return Object.freeze({
    files,
    text,
    types: new Map(foreign.flatMap(([name, { entityTypes }]) => typesOf(name, entityTypes))),
    actions: foreign.flatMap(([name, { actions }]) => actionsOf(name, actions)),
    namespaces: json,
  })
}

/**
 * The full name of a type: `app::user` is itself; `user` is the one type of that name, whatever its namespace. Null when
 * there is none, or more than one.
 */
export function typeNamed({ types }: Vocabulary, name: string): string | null {
  if (types.has(name)) return name
  if (name.includes("::")) return null
  const found = [...types.keys()].filter((type) => type.endsWith(`::${name}`))
  return found.length === 1 ? found[0]! : null
}

/** The action of that name in the resource's namespace; `shop::read` is one of another namespace. Null when there is none. */
export function actionNamed({ actions }: Vocabulary, name: string, resourceType: string): KnownAction | null {
  const own = actions.find(({ namespace, id }) => namespace === namespaceOf(resourceType) && id === name)
  return own ?? actions.find(({ namespace, id }) => `${namespace}::${id}` === name) ?? null
}

/** What actionNamed() finds it by. */
export function nameOfAction({ namespace, id }: KnownAction, resourceType: string): string {
  return namespace === namespaceOf(resourceType) ? id : `${namespace}::${id}`
}

/** The attributes that the schema declares for a type; the rest is left out, as AuthZEN 1.0 asks of what is unknown. */
export function knownAttributes(vocabulary: Vocabulary, type: string, given: Json): { [name: string]: Json } {
  return record(vocabulary, vocabulary.types.get(type) ?? null, given)
}

/** The members that the schema declares for an action's context. */
export function knownContext(vocabulary: Vocabulary, { namespace, id }: KnownAction, given: Json) {
  const context = vocabulary.namespaces[namespace]?.actions[id]?.appliesTo?.context
  return record(vocabulary, (context as Shape | undefined) ?? null, given)
}

function record(vocabulary: Vocabulary, shape: Shape | null, given: Json): { [name: string]: Json } {
  const pruned = shape === null ? {} : prune(vocabulary, shape, given)
  return typeof pruned === "object" && pruned !== null && !Array.isArray(pruned) ? pruned : {}
}

function prune(vocabulary: Vocabulary, shape: Shape, value: Json): Json {
  const { type, element, attributes = {} } = resolved(vocabulary, shape)
  if (type === "Set" && element !== undefined && Array.isArray(value)) {
    return value.map((item) => prune(vocabulary, element, item))
  }
  if (type !== "Record" || typeof value !== "object" || value === null || Array.isArray(value)) return value
  // Cedar has no null: what is null is not there.
  const known = Object.entries(value).filter(([name, item]) => Object.hasOwn(attributes, name) && item !== null)
  return Object.fromEntries(known.map(([name, item]) => [name, prune(vocabulary, attributes[name]!, item)]))
}

/** What a common type stands for, `app::Tags`. */
function resolved({ namespaces }: Vocabulary, shape: Shape): Shape {
  const common = namespaces[namespaceOf(shape.type)]?.commonTypes?.[shape.type.split("::").at(-1)!]
  return shape.type.includes("::") && common !== undefined ? resolved({ namespaces } as Vocabulary, common) : shape
}

function namespaceOf(type: string): string {
  return type.split("::").slice(0, -1).join("::")
}

/** True for the name of a namespace, or of something in one, that is ours. */
export function isReserved(name: string): boolean {
  return RESERVED.includes(name.split("::")[0]!)
}

function typesOf(namespace: string, types: Namespaces[string]["entityTypes"]): [string, Shape | null][] {
  return Object.entries(types).map(([name, type]) => [
    `${namespace}::${name}`,
    "shape" in type && type.shape !== undefined ? (type.shape as Shape) : null,
  ])
}

function actionsOf(namespace: string, actions: Namespaces[string]["actions"]): KnownAction[] {
  return Object.entries(actions).flatMap(([id, { appliesTo }]) => {
    // One without appliesTo is a group of others.
    if (appliesTo === undefined) return []
    return [{ namespace, id, principals: appliesTo.principalTypes, resources: appliesTo.resourceTypes }]
  })
}

function refuseReserved(file: PolicyFile): void {
  const declared = file.text.replaceAll(/\/\/[^\n]*/g, (comment) => " ".repeat(comment.length))
  for (const { 1: name, index } of declared.matchAll(/\bnamespace\s+([\w:]+)/g)) {
    if (isReserved(name!)) throw reserved(name!, file, index)
  }
}

function reserved(name: string, file: PolicyFile, at: number): Refusal {
  return mistake(`The namespace ${name} is Safeconduct's own; choose another name.`, file, at)
}

/** The file, and the place in it, of an offset in the joined text, in bytes of UTF-8. */
function placeIn(files: readonly PolicyFile[], offset: number): { file: PolicyFile; at: number } {
  let start = Buffer.byteLength(ownSchema) + 1
  for (const file of files) {
    const bytes = Buffer.from(file.text)
    if (offset >= start && offset <= start + bytes.length) {
      return { file, at: bytes.subarray(0, offset - start).toString("utf8").length }
    }
    start += bytes.length + 1
  }
  return { file: files[0]!, at: 0 }
}
