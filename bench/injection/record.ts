import { isMoney, roleOf, wordsOf } from "./roles.ts"
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
    addTable(path, value.map(asRow), record)
    return
  }
  if (typeof value !== "object" || value === null) return
  const entries = Object.entries(value)
  const isKeyed = entries.length > 0 && path.length > 0
  if (isKeyed && entries.every(([, each]) => isObject(each)) && isAlike(entries.map(([, each]) => each as object))) {
    const rows = entries.map(([key, each]) => ({ key, ...(each as object) }))
    addTable(path, rows, record)
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

/** Rows, and what lists of rows each of them holds: the issues of all projects are one table. */
function addTable(path: string[], rows: Table["rows"], record: StartRecord): void {
  addRows(path, rows, record)
  for (const field of fieldsOf(rows)) {
    const lists = rows.map((row) => row[field]).filter((each) => each !== undefined && each !== null)
    const isRows = lists.every((each) => Array.isArray(each) && each.every(isObject))
    if (isRows) addTable([...path, field], lists.flat() as Table["rows"], record)
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

/** Rows under keys have most fields in common, among them simple ones; parts of one thing do not. */
function isAlike(all: readonly object[]): boolean {
  const fields = [...new Set(all.flatMap((each) => Object.keys(each)))]
  const common = fields.filter((field) => all.every((each) => Object.hasOwn(each, field)))
  const isSimple = common.some((field) => all.every((each) => typeof (each as StartRecord["own"])[field] !== "object"))
  return all.length > 1 && isSimple && 2 * common.length > fields.length
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
  return fieldsOf(rows).filter((field) => isMoney(field) && everyRow(rows, field, (each) => typeof each === "number"))
}

/** The field by which tools name a thing; null for rows that are no things of their own. */
export function idField({ rows }: Table): string | null {
  const fields = fieldsOf(rows).filter((field) => everyRow(rows, field, isText))
  const [sure] = [/^id_?$/i, /_id$/i, /^key$/, /^(file_?name|path)$/i].flatMap((form) =>
    fields.filter((field) => form.test(field)),
  )
  // A number or a code is one where no two rows have the same.
  return sure ?? fields.find((field) => NUMBERED.test(field) && isUnique(rows, field)) ?? null
}

const NUMBERED = /^(sku|code|slug|login|handle|user_?name)$|(^|_)(number|no|code)$/i

function isUnique(rows: Table["rows"], field: string): boolean {
  const values = rows.map((row) => row[field])
  return new Set(values).size === rows.length && values.every((each) => each !== undefined && each !== null)
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
  return fieldsOf(rows).filter(
    (field) => /^((full|display)_?name|name|title|file_?name)$/i.test(field) && everyRow(rows, field, isText),
  )
}

/** True for rows that say who wrote them: what these are called, somebody else may have chosen. */
export function isByOthers({ rows }: Table): boolean {
  return fieldsOf(rows).some((field) =>
    /^(authors?|sender|reporter|submitter|requester|poster|commenter|(created|opened|posted|submitted|written)_by)$/i.test(
      wordsOf(field).join("_"),
    ),
  )
}

/** Fields by which tools know a person, in rows of people: an address, a telephone, a name to sign in with. */
export function personFields(table: Table): string[] {
  const isOfPeople = fieldsOf(table.rows).some((field) =>
    /^(e_?mail|phone|login|handle|user_?name)(_?address|_?number)?$/i.test(field),
  )
  if (!isOfPeople) return []
  const others = fieldsOf(table.rows).filter((field) => /^(login|handle|user_?name)$/i.test(field))
  return [...new Set([...placeFields(table), ...others])].filter((field) => field !== "key")
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
