import type { Database, KeptKeyring } from "#kernel"
import { rootContext } from "../desks.ts"
import { leaseContext } from "../issue.ts"
import { readRoots, tryLockRoot } from "../store.ts"
import { readStaleLeases, replaceLeases, replaceRoot } from "./store.ts"

/** Leases resealed in one go. */
const BATCH = 200

/**
 * Seals anew what another key sealed: the accounts held at resources, and the credentials of open leases. Returns how many
 * values; some may be left where a root is being changed meanwhile, so it is repeated until it returns 0.
 */
export async function resealCredentials(database: Database, keyring: KeptKeyring): Promise<number> {
  return (await resealRoots(database, keyring)) + (await resealLeases(database, keyring))
}

async function resealRoots(database: Database, keyring: KeptKeyring): Promise<number> {
  let count = 0
  for (const { resource } of await readRoots(database)) {
    count += await database.transaction(async (tx) => {
      const stale = async () => {
        const row = (await readRoots(tx)).find((each) => each.resource === resource)
        const values = [row?.sealed, row?.sealedPending].filter((value) => typeof value === "string")
        return row !== undefined && values.some((value) => !keyring.isCurrent(value)) ? row : null
      }
      if ((await stale()) === null) return 0
      // Whoever changes the root now writes what he read before: it is looked at again.
      if (!(await tryLockRoot(tx, resource))) return 1
      const row = await stale()
      if (row === null) return 0
      const again = (value: string) => keyring.seal(rootContext(resource), keyring.open(rootContext(resource), value))
      await replaceRoot(tx, resource, {
        sealed: again(row.sealed),
        sealedPending: row.sealedPending === null ? null : again(row.sealedPending),
      })
      return 1
    })
  }
  return count
}

async function resealLeases(database: Database, keyring: KeptKeyring): Promise<number> {
  for (let count = 0; ; ) {
    const stale = await readStaleLeases(database, keyring.sealing(), BATCH)
    if (stale.length === 0) return count
    const again = stale.map(({ id, sealed }) => keyring.seal(leaseContext(id), keyring.open(leaseContext(id), sealed)))
    // A crash here leaves some under the old key, which opens them still; the next run goes on.
    await replaceLeases(database, stale, again)
    count += stale.length
  }
}
