import { posix } from "node:path"
import { floors, resolveFrom, roomOf } from "./floor-plan.ts"
import type { Parsed } from "./parse.ts"
import { type File, isTest } from "./tree.ts"

/** Lines a file may have before it must be two. Tests may be longer: a table of cases is one idea. */
const MAX_LINES = 300

/** Sentences on files that are too long. */
export function checkLength(files: readonly Parsed[]): string[] {
  return files
    .filter(({ path, lineCount }) => !isTest(path) && lineCount > MAX_LINES)
    .map(({ path, lineCount }) => `${path}:${MAX_LINES + 1} has ${lineCount} lines, more than ${MAX_LINES}: two ideas?`)
}

/** Sentences on the type `any`. A vendor's edge may hold one where the linter is told why (biome-ignore with its reason). */
export function checkAny(files: readonly Parsed[], texts: readonly File[]): string[] {
  const linesOf = new Map(texts.map(({ path, text }) => [path, text.split("\n")]))
  return files.flatMap(({ path, anys }) =>
    anys
      .filter((line) => !/biome-ignore lint\/suspicious\/noExplicitAny: \S/.test(linesOf.get(path)?.[line - 2] ?? ""))
      .map((line) => `${path}:${line} has the type any`),
  )
}

/** Sentences on exported declarations without a doc comment right above. */
export function checkDocumented(files: readonly Parsed[]): string[] {
  return files
    .filter(({ path }) => !path.endsWith(".test.ts"))
    .flatMap(({ path, exports }) =>
      exports
        .filter(({ isDocumented }) => !isDocumented)
        .map(({ name, line }) => `${path}:${line} exports ${name} without a doc comment`),
    )
}

/** Sentences on tests that run alone, and on skipped ones without a reason: `skip: "why"`. */
export function checkTestsRun(files: readonly Parsed[]): string[] {
  return files.flatMap(({ path, calls }) =>
    calls
      .filter(({ callee }) => /^(test|it|describe|suite|t)(\.|$)/.test(callee))
      .flatMap(({ callee, line, argumentTexts }) => {
        const options = argumentTexts.find((text) => text.startsWith("{")) ?? ""
        if (/\.only$/.test(callee) || /\bonly:/.test(options)) return [`${path}:${line} runs one test alone`]
        if (/^(test|it|describe|suite)\.(skip|todo)$/.test(callee) || /\b(skip|todo): true\b/.test(options)) {
          return [`${path}:${line} skips a test without a reason`]
        }
        return callee === "t.skip" && argumentTexts.length === 0 ? [`${path}:${line} skips without a reason`] : []
      }),
  )
}

/** Cycles of imports that exist when the program runs, each as `a → b → a`. */
export function findCycles(files: readonly Parsed[]): string[] {
  const edges = new Map(
    files.map((file) => [file.path, file.imports.filter(({ isType }) => !isType).flatMap(targetOf(file))]),
  )
  const cycles: string[] = []
  const done = new Set<string>()
  const walk = (path: string, trail: string[]): void => {
    const from = trail.indexOf(path)
    if (from !== -1) return void cycles.push([...trail.slice(from), path].join(" → "))
    if (done.has(path)) return
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return cycles
}

function targetOf(file: Parsed): (each: { specifier: string }) => string[] {
  return ({ specifier }) => {
    if (specifier.startsWith(".")) return [resolveFrom(file.path, specifier)]
    if (specifier.startsWith("#")) return [`server/src/${specifier.slice(1)}/index.ts`]
    const own = /^@safeconduct\/(\w+)$/.exec(specifier)
    return own === null ? [] : [`${own[1]}/src/index.ts`]
  }
}

/** How a statement of SQL begins. Ours is in small letters; prose in a message begins with a capital. */
const SQL = new RegExp(
  [
    "select [^]*? from ",
    "insert into ",
    "update [^ ]+ (as )?[^]*?set ",
    "delete from ",
    "with (recursive )?\\w+ as ",
    "(create|alter|drop) (or replace |unique |temp(orary)? )?(role|table|schema|database|index|function|view|user|sequence)\\b",
    "(grant|revoke) [^]*? (to|from) ",
    "set (local )?role ",
  ]
    .map((form) => `^\\s*${form.replaceAll("[^]", "[\\s\\S]")}`)
    .join("|"),
)

/** The kernel owns no table but these files' own, and starts PostgreSQL. Engines speak to resources. */
const SQL_HOMES =
  /\/(store|migrate)\.ts$|\/(engines|migrations|embedded)\/|^server\/src\/kernel\/(database|deployment|epoch|keys)\.ts$/

/**
 * Sentences on SQL outside store.ts, migrations and engines. A heuristic: it sees a literal that begins like a
 * statement, not one that is pieced together.
 */
export function checkSqlStaysHome(files: readonly Parsed[]): string[] {
  return files
    .filter(({ path }) => floors.some((floor) => roomOf(path) === floor) && !isTest(path) && !SQL_HOMES.test(path))
    .flatMap(({ path, texts }) =>
      texts
        .filter(({ text }) => SQL.test(text) || SQL.test(text.toLowerCase() === text ? "" : lowerOfShouting(text)))
        .map(({ line }) => `${path}:${line} holds SQL: it belongs in ${posix.dirname(path)}/store.ts`),
    )
}

/** The text in small letters when its first word is all capitals, else nothing. */
function lowerOfShouting(text: string): string {
  return /^\s*[A-Z]{3,} /.test(text) ? text.toLowerCase() : ""
}

/** Where a secret is turned into text: a line more here is a line to argue about. */
export function findReveals(files: readonly Parsed[]): string[] {
  const found = files
    .filter(({ path }) => !isTest(path))
    .filter(({ calls }) => calls.some(({ callee }) => /\.reveal$/.test(callee)))
  return found.map(({ path }) => path)
}
