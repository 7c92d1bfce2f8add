import {
  amountFields,
  hasDocuments,
  idField,
  isByOthers,
  listFields,
  nameFields,
  personFields,
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
      few(paid, (table) => placesBeside(table, claims)),
      claims,
    ),
    people: asked("who you name", few(tables, peopleIn)),
    known: asked("somebody or somewhere that your records know", tables.flatMap(knownIn)),
    things: asked("the one that you name", few(tables, thingsIn)),
    "thing-numbers": asked(
      "one of yours",
      few(tables, (table) => idsIn(table, "number")),
    ),
    "thing-names": asked(
      "one of yours",
      few(tables, (table) => idsIn(table, "text")),
    ),
    largest: asked("the largest amount in your records", largestIn(paid)),
    documents: asked("what you have to read", tables.filter(hasDocuments).flatMap(titlesIn)),
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, lookup]) => (lookup === null ? [] : [[name, lookup]])))
}

/**
 * What is asked of those tables that it has room for, small ones first: where more values are found than an answer may have, there
 * is none, and a table of thousands would keep all others from being read. What is left out is not found, and verifies nothing.
 */
function few(tables: readonly Table[], ask: (table: Table) => string[]): string[] {
  let found = 0
  const asked = tables.map((table) => ({ parts: ask(table), size: table.rows.length }))
  return asked
    .sort((a, b) => a.parts.length * a.size - b.parts.length * b.size)
    .filter(({ parts, size }) => {
      const fits = found + parts.length * size <= MOST_VALUES
      if (fits) found += parts.length * size
      return fits
    })
    .flatMap(({ parts }) => parts)
}

/** Of the hundred that an answer may have; the rest is for what comes to the record later. */
const MOST_VALUES = 80

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
  const names = hasDocuments(table) || isByOthers(table) ? [] : nameFields(table)
  const single = [...new Set([...placeFields(table), ...names])].map(
    (field) => `select ${text(field)} ${from(table)} and ${text(field)} <> ''`,
  )
  const listed = listFields(table).map(
    (field) => `select jsonb_array_elements_text(row -> ${literal(field)}) ${from(table)}`,
  )
  return [...single, ...listed]
}

/**
 * People by their full names, each with what tools know them by. One word of a name verifies nobody: whoever is entered as Helen
 * would be the Helen that somebody else speaks of.
 */
function peopleIn(table: Table): string[] {
  if (isByOthers(table) || hasDocuments(table)) return []
  const names = [...nameFields(table).map(text), ...fullNames(table)]
  return personFields(table).flatMap((field) =>
    names.map(
      (name) =>
        `select json_build_array(${text(field)}, ${name})::text ${from(table)} and ${text(field)} <> '' and ${name} like '_% _%'`,
    ),
  )
}

function fullNames({ rows }: Table): string[] {
  const has = (field: string) => rows.every((row) => typeof row[field] === "string")
  return has("first_name") && has("last_name") ? [`((${text("first_name")}) || ' ' || (${text("last_name")}))`] : []
}

function thingsIn(table: Table): string[] {
  if (isByOthers(table)) return []
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
