import { checkParseEntities, type EntityJson } from "@cedar-policy/cedar-wasm/nodejs"
import { type Json, parseJson, type Refusal } from "#kernel"
import { mistake, sentenceOf } from "./mistakes.ts"
import type { PolicyFile } from "./policy-set.ts"
import { isReserved, knownAttributes, type Vocabulary } from "./vocabulary.ts"

/** An entity's name in Cedar. */
export type Uid = { type: string; id: string }

/** What the configuration says of an entity: attributes, and the groups that it is in. */
export type StoredEntity = {
  uid: Uid
  attrs: { [name: string]: Json }
  parents: Uid[]
  tags?: { [name: string]: Json }
}

/** The entities in force. Immutable. */
export type Entities = { files: readonly PolicyFile[]; byUid: ReadonlyMap<string, StoredEntity> }

const MAX_ENTITIES = 10_000
/** Each entity that goes into a question costs about 25 µs. */
const MAX_IN_QUESTION = 500

/**
 * The entities of all files, each a JSON list in Cedar's form: `[{ "uid": { "type", "id" }, "attrs": {}, "parents": [] }]`.
 * Throws `policy-invalid` with file, line and column for what is not that, does not fit the schema, is named twice, or is
 * of a type of ours: agents and resources are what the configuration says elsewhere.
 */
export function parseEntities(files: readonly PolicyFile[] = [], vocabulary: Vocabulary): Entities {
  const byUid = new Map<string, StoredEntity>()
  for (const file of files) {
    const list = listOf(file)
    if (byUid.size + list.length > MAX_ENTITIES) {
      throw mistake(`With this file there are more than ${MAX_ENTITIES} entities.`, file, 0)
    }
    for (const [at, entity] of list.entries()) {
      const stored = read(entity, file, at)
      if (byUid.has(keyOf(stored.uid))) throw wrong(`${nameOf(stored.uid)} is there twice.`, file, at)
      byUid.set(keyOf(stored.uid), stored)
    }
    refuseMisfits(file, vocabulary)
  }
  return Object.freeze({ files: Object.freeze(files.map(({ file, text }) => Object.freeze({ file, text }))), byUid })
}

/**
 * What Cedar must know for a question about these: each with its attributes, whatever groups they are in, and whatever their
 * attributes or the policies name. Null when that is more than fits a question.
 */
export function entitiesFor(
  { byUid }: Entities,
  vocabulary: Vocabulary,
  asked: readonly { uid: Uid; properties: { [name: string]: Json } }[],
  mentioned: readonly Uid[],
): EntityJson[] | null {
  const found = new Map<string, StoredEntity>()
  const wanted: Uid[] = [...mentioned]
  for (const { uid, properties } of asked) {
    const stored = byUid.get(keyOf(uid))
    // What the enforcement point says now wins over what was configured, except for groups, which it cannot name.
    const attrs = { ...stored?.attrs, ...knownAttributes(vocabulary, uid.type, properties) }
    found.set(keyOf(uid), { ...(stored ?? { parents: [] }), uid, attrs })
  }
  for (const entity of found.values()) wanted.push(...entity.parents, ...refsIn(entity.attrs), ...refsIn(entity.tags))
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const stored = byUid.get(keyOf(next))
    if (stored === undefined || found.has(keyOf(next))) continue
    found.set(keyOf(next), stored)
    if (found.size > MAX_IN_QUESTION) return null
    wanted.push(...stored.parents, ...refsIn(stored.attrs), ...refsIn(stored.tags))
  }
  return [...found.values()] as EntityJson[]
}

/** Ids of the stored entities of a type, in order. */
export function idsOf({ byUid }: Entities, type: string): string[] {
  return [...byUid.values()].flatMap(({ uid }) => (uid.type === type ? [uid.id] : [])).sort()
}

/** Every entity that a value names, `{ type, id }` or `{ __entity: { type, id } }`. */
export function refsIn(value: unknown): Uid[] {
  if (typeof value !== "object" || value === null) return []
  const { type, id } = value as { type?: unknown; id?: unknown }
  const isRef = typeof type === "string" && typeof id === "string"
  return [...(isRef ? [{ type, id }] : []), ...Object.values(value).flatMap(refsIn)]
}

function listOf(file: PolicyFile): Json[] {
  try {
    const list = parseJson(file.text)
    if (Array.isArray(list)) return list
  } catch (error) {
    // What is JSON and is refused all the same has a reason of its own.
    if (isJson(file.text)) throw mistake((error as Error).message, file, 0)
    throw mistake("It is not JSON from here on.", file, endOfGood(file.text))
  }
  throw mistake("Entities are a JSON list.", file, 0)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Where text stops being JSON: the longest beginning that could still go on. The parser itself does not always say. */
function endOfGood(text: string): number {
  let [good, broken] = [0, text.length]
  while (broken - good > 1) {
    const middle = (good + broken) >> 1
    if (couldGoOn(text.slice(0, middle))) good = middle
    else broken = middle
  }
  return good
}

function couldGoOn(beginning: string): boolean {
  try {
    JSON.parse(beginning)
    return true
  } catch (error) {
    const { message } = error as Error
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? -1)
    return /end of JSON|Unterminated/.test(message) || at >= beginning.length
  }
}

function read(entity: Json, file: PolicyFile, at: number): StoredEntity {
  const { uid, attrs = {}, parents = [], tags, ...others } = isNamed(entity) ? entity : {}
  const [name, groups] = [uidOf(uid), Array.isArray(parents) ? parents.map(uidOf) : [null]]
  const isWhole = name !== null && isNamed(attrs) && !groups.includes(null) && (tags === undefined || isNamed(tags))
  if (!isWhole || Object.keys(others).length > 0) {
    throw wrong('An entity is { "uid": { "type", "id" }, "attrs": {}, "parents": [] }, perhaps with "tags".', file, at)
  }
  if (isReserved(name.type)) throw wrong(`${nameOf(name)} is of a type of Safeconduct's own.`, file, at)
  return { uid: name, attrs, parents: groups as Uid[], ...(tags === undefined ? {} : { tags }) }
}

/** All at once, because most files are right; then by halves, to say which is not: the last of the fewest that do not fit. */
function refuseMisfits(file: PolicyFile, { text }: Vocabulary): void {
  const entities = listOf(file).map((entity, at) => read(entity, file, at)) as EntityJson[]
  const problemOf = (count: number) => {
    const answer = checkParseEntities({ entities: entities.slice(0, count), schema: text })
    return answer.type === "failure" ? sentenceOf(answer.errors[0]) : null
  }
  let problem = problemOf(entities.length)
  if (problem === null) return
  let [good, broken] = [0, entities.length]
  while (broken - good > 1) {
    const middle = (good + broken) >> 1
    const found = problemOf(middle)
    if (found === null) good = middle
    else [broken, problem] = [middle, found]
  }
  throw wrong(problem, file, broken - 1)
}

function uidOf(value: Json | undefined): Uid | null {
  const plain = isNamed(value) && isNamed(value["__entity"]) ? value["__entity"] : value
  if (!isNamed(plain) || Object.keys(plain).length !== 2) return null
  const { type, id } = plain
  return typeof type === "string" && typeof id === "string" ? { type, id } : null
}

function wrong(message: string, file: PolicyFile, at: number): Refusal {
  return mistake(message, file, startOfItem(file.text, at))
}

/** Where the nth item of a JSON list begins. */
function startOfItem(text: string, wanted: number): number {
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g
  let [depth, item] = [0, 0]
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [part] = match
    if (part === "," && depth === 1) item += 1
    if ((part === "{" || part === "[" || part.startsWith('"')) && depth === 1 && item === wanted) return match.index
    if (part === "{" || part === "[") depth += 1
    if (part === "}" || part === "]") depth -= 1
  }
  return 0
}

function isNamed(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function keyOf({ type, id }: Uid): string {
  return JSON.stringify([type, id])
}

function nameOf({ type, id }: Uid): string {
  return `${type}::${JSON.stringify(id)}`
}
