import { z } from "zod"
import type { Change } from "#audit"
import { bumpEpoch, canonical } from "#kernel"
import { placeOf } from "./desks.ts"
import type { EngineKind } from "./engine.ts"
import { readResources, writeResources } from "./in-force/store.ts"
import { invalidPart, parsePart, type ResourcesPart } from "./part.ts"
import { countOpenByResource, dropRoots, lockLedger } from "./store.ts"

const document = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "a resource's name is lower-case letters, digits and hyphens"),
  z.looseObject({ engine: z.string() }),
)

/** Checks the `resources` part of safeconduct.yaml. Throws `policy-invalid` with the place in `detail.path`. */
export function parseResources(kinds: readonly EngineKind[], value: unknown): ResourcesPart {
  const resources = parsePart(document, value ?? {}, "resources")
  return Object.fromEntries(
    Object.entries(resources).map(([name, part]) => {
      const kind = kinds.find((each) => each.name === part.engine)
      if (kind === undefined) {
        const known = kinds.map((each) => each.name).join(", ")
        throw invalidPart(`resources.${name}.engine`, `there is no engine "${part.engine}"; known: ${known}`)
      }
      return [name, kind.parse(part, `resources.${name}`)]
    }),
  )
}

/** What replacing did to the resources that were there. */
export type Replaced = { names: string[]; removed: string[]; moved: string[] }

/**
 * The change that puts other resources in force. Its work throws `policy-invalid` when a resource with open leases would
 * be removed or moved: what was given there could not be taken away. A resource that moves loses its root.
 */
export function replaceResources(resources: ResourcesPart, by: string): Change<Replaced> {
  return {
    async work(tx) {
      await lockLedger(tx)
      const before = await readResources(tx)
      const open = await countOpenByResource(tx)
      const removed = before.filter(({ name }) => resources[name] === undefined).map(({ name }) => name)
      const moved = before.filter(({ name, part }) => {
        const now = resources[name]
        return now !== undefined && canonical(placeOf(now)) !== canonical(placeOf(part))
      })
      const names = moved.map(({ name }) => name)
      for (const name of [...removed, ...names]) {
        const leases = open.get(name) ?? 0
        if (leases > 0) throw invalidPart(`resources.${name}`, `it has ${leases} open leases; end them first`)
      }
      await dropRoots(tx, names)
      await writeResources(
        tx,
        Object.entries(resources).map(([name, part]) => ({ name, part })),
      )
      await bumpEpoch(tx)
      return { names: Object.keys(resources), removed, moved: names }
    },
    entries: (replaced) => [{ event: "credentials.resources-replaced", by, data: replaced }],
  }
}
