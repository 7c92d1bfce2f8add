import type { Change } from "#audit"
import { bumpEpoch, type Database, type Json, type Log } from "#kernel"
import { type Application, type ApplicationsPart, parseApplications } from "../applications.ts"
import { type ProvidersPart, parseProviders } from "../providers/index.ts"
import { type Purpose, type PurposesPart, parsePurposes } from "../purposes.ts"
import { type PartTable, readPart, writePart } from "./store.ts"

/** What of a configuration is this room's, checked and with defaults filled in. */
export type SessionsPart = { purposes: PurposesPart; providers: ProvidersPart; applications: ApplicationsPart }

/** The same before it was checked. */
export type SessionsDocument = { purposes?: unknown; providers?: unknown; applications?: unknown }

/** Checks the room's parts. Throws `policy-invalid` with `detail.path`. */
export function parsePart({ purposes, providers, applications }: SessionsDocument): SessionsPart {
  return {
    purposes: parsePurposes(purposes ?? {}),
    providers: parseProviders(providers ?? {}),
    applications: parseApplications(applications ?? {}),
  }
}

/** What is in force, in memory, as old as the epoch at the most. */
export interface PartInForce {
  /** Null when there is none of that name. */
  purpose(name: string): Purpose | null
  providers(): ProvidersPart
  application(name: string): Application | null
  applications(): readonly Application[]
  /** Puts a checked part in force. `by` is the SPIFFE ID of who does. */
  replace(part: SessionsPart, by: string): Change<void>
  reload(): Promise<void>
}

/** Loads what is in force. What is stored and does not parse is logged, and unknown. */
export async function openPart({ database, log }: { database: Database; log: Log }): Promise<PartInForce> {
  const load = async () => {
    const [purposes, providers, applications] = await Promise.all([
      named(database, log, "purposes", parsePurposes),
      named(database, log, "providers", parseProviders),
      named(database, log, "applications", parseApplications),
    ])
    return { purposes, providers: Object.fromEntries(providers), applications }
  }
  let held = await load()
  return {
    purpose: (name) => held.purposes.get(name) ?? null,
    providers: () => held.providers,
    application: (name) => held.applications.get(name) ?? null,
    applications: () => [...held.applications.values()],
    replace({ purposes, providers, applications }, by) {
      return {
        async work(tx) {
          await writePart(tx, "purposes", purposes as { [name: string]: Json })
          await writePart(tx, "providers", providers as { [name: string]: Json })
          await writePart(tx, "applications", applications as { [name: string]: Json })
          await bumpEpoch(tx)
        },
        entries: () => [
          {
            event: "sessions.purposes-replaced",
            by,
            data: {
              purposes: Object.keys(purposes).sort(),
              providers: Object.keys(providers).sort(),
              applications: Object.keys(applications).sort(),
            },
          },
        ],
      }
    },
    async reload() {
      held = await load()
    },
  }
}

async function named<Definition>(
  database: Database,
  log: Log,
  table: PartTable,
  parse: (value: unknown) => { [name: string]: Definition },
): Promise<Map<string, Definition & { name: string }>> {
  const parsed = new Map<string, Definition & { name: string }>()
  for (const { name, definition } of await readPart(database, table)) {
    try {
      parsed.set(name, { ...parse({ [name]: definition })[name]!, name })
    } catch (error) {
      log.error("a stored part does not parse; nothing can be opened for it", { table, name, error })
    }
  }
  return parsed
}
