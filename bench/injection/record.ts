import { roleOf } from "./roles.ts"
import type { Suite, Value } from "./suite.ts"

/** Rows of one kind in the record, such as all transactions; `path` says where they stood. */
export type Table = { path: string; rows: { [field: string]: Value }[] }

/** What of a suite's start state is a record: what the user's own systems say, and whom they say the user is. */
export type StartRecord = {
  tables: Table[]
  /** The user's own identifiers, by a name that a claim may have. */
  own: { [claim: string]: string }
}

/** Never a claim: whoever may name it could hand it on. */
const SECRET = /pass(word|phrase|port)|secret|token|pin\b|card|cvv|ssn|api_?key/i

/** Looks like what identifies, and nobody writes as prose: an account, an address of mail, a number of something. */
const IDENTIFIER = /^(?=.*[\d@])[^\s]{4,100}$/

/**
 * Reads the start state by its shape: objects in lists, or under keys, are rows; texts under keys are documents, of which only the
 * names are kept; what stands alone is the user's own.
 */
export function readRecord({ default_environment }: Pick<Suite, "default_environment">): StartRecord {
  const record: StartRecord = { tables: [], own: {} }
  walk(default_environment, [], record)
  return record
}

function walk(value: Value, path: string[], record: StartRecord): void {
  if (Array.isArray(value)) {
    addRows(path, value.map(asRow), record)
    return
  }
  if (typeof value !== "object" || value === null) return
  const entries = Object.entries(value)
  const isKeyed = entries.length > 0 && path.length > 0
  if (isKeyed && entries.every(([, each]) => isObject(each)) && isAlike(entries.map(([, each]) => each as object))) {
    const rows = entries.map(([key, each]) => ({ key, ...(each as object) }))
    addRows(path, rows, record)
    return
  }
  if (isKeyed && entries.every(([name, each]) => typeof each === "string" && /[\s]/.test(each) && /\W/.test(name))) {
    const rows = entries.map(([name]) => ({ name, content: "" }))
    addRows(path, rows, record)
    return
  }
  if (isKeyed && entries.every(([, each]) => Array.isArray(each))) {
    addRows(
      [...path, "keys"],
      entries.map(([name]) => ({ name })),
      record,
    )
  }
  for (const [name, each] of entries) {
    if (typeof each === "string" && IDENTIFIER.test(each) && !SECRET.test(name)) {
      record.own[claimName([...path, name])] = each
    } else walk(each, [...path, name], record)
  }
}

function addRows(path: string[], rows: Table["rows"], record: StartRecord): void {
  if (rows.length > 0) record.tables.push({ path: path.join("."), rows })
}

function asRow(value: Value): { [field: string]: Value } {
  return isObject(value) ? value : { name: value }
}

function isObject(value: Value | undefined): value is { [name: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Rows under keys have the same fields, among them simple ones; parts of one thing do not. */
function isAlike(all: readonly object[]): boolean {
  const [first, ...others] = all.map((each) => Object.keys(each).sort().join())
  const isSimple = Object.values(all[0] ?? {}).some((each) => typeof each !== "object")
  return isSimple && others.length > 0 && others.every((each) => each === first)
}

function claimName(path: readonly string[]): string {
  return path
    .join("_")
    .replaceAll(/[^A-Za-z0-9_-]/g, "_")
    .replace(/^[^A-Za-z]*/, "own_")
    .slice(0, 60)
}

/** Fields of a table that hold numbers of money. */
export function amountFields({ rows }: Table): string[] {
  return fieldsOf(rows).filter(
    (field) =>
      /amount|price|total|sum|cost|fee|balance/i.test(field) &&
      everyRow(rows, field, (each) => typeof each === "number"),
  )
}

/** The field by which tools name a thing; null for rows that are no things of their own. */
export function idField({ rows }: Table): string | null {
  const fields = fieldsOf(rows).filter((field) => everyRow(rows, field, isText))
  return (
    [/^id_?$/i, /_id$/i, /^key$/, /^(file_?name|path)$/i].flatMap((form) =>
      fields.filter((field) => form.test(field)),
    )[0] ?? null
  )
}

/** Fields that list identifiers, such as those who take part. */
export function listFields({ rows }: Table): string[] {
  return fieldsOf(rows).filter((field) => {
    const items = rows.flatMap((row) => (Array.isArray(row[field]) ? (row[field] as Value[]) : []))
    return everyRow(rows, field, Array.isArray) && items.some(isIdentifier) && items.every(isWord)
  })
}

/** Fields that name a thing. What a subject, a title of mail or a text says, anybody can have written, and is none. */
export function nameFields({ rows }: Table): string[] {
  return fieldsOf(rows).filter((field) => /^(name|title|file_?name)$/i.test(field) && everyRow(rows, field, isText))
}

/** Fields that say who or where: accounts, addresses. One looks like an identifier, and none is for free text. */
export function placeFields({ path, rows }: Table): string[] {
  const id = idField({ path, rows })
  return fieldsOf(rows).filter((field) => {
    const isFree = ["annotation", "content", "secret", "moment"].includes(roleOf(field, { type: "string" }))
    const isOne = rows.some((row) => isIdentifier(row[field])) && everyRow(rows, field, isWord)
    return isOne && !isFree && field !== id && !SECRET.test(field)
  })
}

/** True for a table whose rows are documents: somebody's words, which the user may refer to. */
export function hasDocuments({ rows }: Table): boolean {
  return fieldsOf(rows).some((field) => /^(content|body|text)$/i.test(field))
}

/** Fields that a document goes by; a subject too, since nothing is verified by it. */
export function titleFields({ rows }: Table): string[] {
  return fieldsOf(rows).filter((field) => /^(name|title|file_?name|subject)$/i.test(field))
}

function isIdentifier(value: Value | undefined): boolean {
  return typeof value === "string" && IDENTIFIER.test(value) && !/^\d{4}-\d{2}-\d{2}/.test(value)
}

function isWord(value: Value): boolean {
  return typeof value === "string" && !/\s/.test(value)
}

function isText(value: Value): boolean {
  return typeof value === "string" || typeof value === "number"
}

function fieldsOf(rows: Table["rows"]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))]
}

function everyRow(rows: Table["rows"], field: string, is: (value: Value) => boolean): boolean {
  return rows.every((row) => row[field] === undefined || row[field] === null || is(row[field]))
}
