import { readFileSync } from "node:fs"
import { byPath, openApiOf } from "#api"
import { type Json, type Route, refusals } from "#kernel"
import { documentJsonSchema } from "#programs"
import { allEvents, allRoutes } from "./assembled.ts"
import { repositoryRoot } from "./tree.ts"

type AnyRoute = Route<never, never>

/** Every file of contract/ that is written from the code, by its path. A file differs only where the interface does. */
export function contractFiles(): { [path: string]: string } {
  const routes = allRoutes()
  const { version } = JSON.parse(readFileSync(`${repositoryRoot}server/package.json`, "utf8")) as { version: string }
  return {
    "contract/events.json": json(sorted(allEvents())),
    "contract/openapi.json": json(openApiOf(routes, version)),
    "contract/refusals.json": json(refusalTable()),
    "contract/routes.txt": routeTable(routes),
    "contract/safeconduct.schema.json": json(documentJsonSchema()),
  }
}

/** One line a route: method, path, right, events. A route without an event that its method calls for is a visible line. */
export function routeTable(routes: readonly AnyRoute[]): string {
  const rows = routes.toSorted(byPath).map(({ method, path, right, events }) => {
    const told = events === null || events.length === 0 ? "—" : events.join(" ")
    return [method, path, right, told]
  })
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  return `${rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")).join("\n")}\n`
}

/** What each stable code means to each kind of caller. */
function refusalTable(): Json {
  return Object.fromEntries(
    Object.entries(refusals).map(([code, { status, oauth, exit, isRetryable }]) => [
      code,
      { status, oauth, exit, retryable: isRetryable },
    ]),
  )
}

function sorted(record: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function json(value: Json): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
