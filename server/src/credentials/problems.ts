import { type Database, type Keyring, type Log, silentLog } from "#kernel"
import { openRoot } from "./desks.ts"
import type { EngineKind } from "./engine.ts"
import { givesCredentials, type Resource } from "./part.ts"
import { parseResources } from "./resources.ts"
import { type RootRow, readRoots } from "./store.ts"

type Parts = { database: Database; keyring: Keyring; kinds: readonly EngineKind[] }

/**
 * What is wrong at the resources of a document, each asked over the account that we hold there: whether it lets us in, and is
 * prepared, whose a lease is included. Changes nothing. Throws `policy-invalid` for what is no `resources` part.
 */
export async function resourceProblems(
  { database, keyring, kinds }: Parts,
  value: unknown,
): Promise<{ names: string[]; problems: string[] }> {
  const resources = parseResources(kinds, value)
  const roots = await readRoots(database)
  const found = await Promise.all(
    Object.entries(resources).map(async ([name, part]) => {
      const row = roots.find(({ resource }) => resource === name)
      const problem = await problemAt({ keyring, kinds, log: silentLog }, { name, part }, row)
      return problem === null ? [] : [`${name}: ${problem}`]
    }),
  )
  return { names: Object.keys(resources), problems: found.flat() }
}

async function problemAt(
  { keyring, kinds, log }: Omit<Parts, "database"> & { log: Log },
  resource: Resource,
  row: RootRow | undefined,
): Promise<string | null> {
  if (!givesCredentials(resource.part)) return null
  if (row === undefined) return "no account is set"
  const kind = kinds.find((each) => each.name === resource.part.engine)!
  try {
    await using engine = kind.open(resource, openRoot(keyring, row), log)
    const findings = await engine.check(resource.part)
    const bad = findings.filter(({ level }) => level !== "warning")
    return bad.length === 0 ? null : bad.map(({ what }) => what).join(" ")
  } catch (error) {
    return (error as Error).message
  }
}
