import {
  amountFields,
  hasDocuments,
  idField,
  listFields,
  nameFields,
  placeFields,
  type StartRecord,
  type Table,
  titleFields,
} from "./record.ts"

/** A look-up as a purpose has it, without where: the record is all in one place. */
export type LookUp = { description: string; query: string; parameters: { claim: string }[] }

/**
 * What the record is asked, by its shape. Only what nobody else writes: accounts beside amounts, numbers of things, names that
 * things go by, and how much was ever paid. Never a subject or a text.
 */
export function lookupsOf(record: StartRecord): { [name: string]: LookUp } {
  const { tables, own } = record
  const claims = Object.keys(own).slice(0, 16)
  const paid = tables.filter((table) => amountFields(table).length > 0)
  const all = {
    places: asked(
      "who the payment that you name was from or to",
      paid.flatMap((table) => placesBeside(table, claims)),
      claims,
    ),
    known: asked("somebody or somewhere that your records know", tables.flatMap(knownIn)),
    things: asked("the one that you name", tables.flatMap(thingsIn)),
    "thing-numbers": asked(
      "one of yours",
      tables.flatMap((table) => idsIn(table, "number")),
    ),
    "thing-names": asked(
      "one of yours",
      tables.flatMap((table) => idsIn(table, "text")),
    ),
    largest: asked("the largest amount in your records", largestIn(paid)),
    documents: asked("what you have to read", tables.filter(hasDocuments).flatMap(titlesIn)),
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, lookup]) => (lookup === null ? [] : [[name, lookup]])))
}

function asked(description: string, parts: readonly string[], claims: readonly string[] = []): LookUp | null {
  if (parts.length === 0) return null
  // What there is no room for is not found, and so verifies nothing.
  const fitting = parts.filter((_, at) => parts.slice(0, at + 1).join(" union ").length <= MAX_QUERY)
  return { description, query: fitting.join(" union "), parameters: claims.map((claim) => ({ claim })) }
}

/** Longest query of a look-up. */
const MAX_QUERY = 4_000

/** As rows stand in the record: by where they stood, as JSON. */
const from = ({ path }: Table) => `from public.record where path = ${literal(path)}`
const text = (field: string) => `row ->> ${literal(field)}`
const number = (field: string) => `(${text(field)})::numeric`

/** Accounts that are not the user's own, each with the amounts of its row. */
function placesBeside(table: Table, claims: readonly string[]): string[] {
  const isOthers = (field: string) =>
    [`${text(field)} ~ '[0-9@]'`, ...claims.map((_, at) => `${text(field)} <> $${at + 1}`)].join(" and ")
  const amounts = amountFields(table).map((field) => `abs(${number(field)})`)
  return placeFields(table).map(
    (field) =>
      `select json_build_array(${[text(field), ...amounts].join(", ")})::text ${from(table)} and ${isOthers(field)}`,
  )
}

function knownIn(table: Table): string[] {
  const names = hasDocuments(table) ? [] : nameFields(table)
  const single = [...new Set([...placeFields(table), ...names])].map(
    (field) => `select ${text(field)} ${from(table)} and ${text(field)} <> ''`,
  )
  const listed = listFields(table).map(
    (field) => `select jsonb_array_elements_text(row -> ${literal(field)}) ${from(table)}`,
  )
  return [...single, ...listed]
}

function thingsIn(table: Table): string[] {
  const [id, names] = [idField(table), nameFields(table).filter((field) => field !== idField(table))]
  if (id === null || names.length === 0) return []
  const isNamed = names.map((field) => `${text(field)} is not null`).join(" and ")
  const row = [`row -> ${literal(id)}`, ...names.map(text)].join(", ")
  return [`select json_build_array(${row})::text ${from(table)} and ${isNamed}`]
}

function idsIn(table: Table, type: "number" | "text"): string[] {
  const id = idField(table)
  if (id === null || !table.rows.every((row) => (typeof row[id] === "number") === (type === "number"))) return []
  return [`select ${type === "number" ? number(id) : text(id)} ${from(table)}`]
}

function largestIn(tables: readonly Table[]): string[] {
  return tables.flatMap((table) => amountFields(table).map((field) => `select max(${number(field)}) ${from(table)}`))
}

function titlesIn(table: Table): string[] {
  return titleFields(table).map((field) => `select ${text(field)} ${from(table)} and ${text(field)} <> ''`)
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
