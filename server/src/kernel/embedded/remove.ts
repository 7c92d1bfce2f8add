import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Refusal } from "../refusal.ts"
import { type Account, accountOf, chooseAccount } from "./account.ts"
import { orphansBeside, placeOf, pointedPlace, wishedFolder } from "./folders.ts"
import { lockFolder, wasLocked } from "./lock.ts"
import { endSurvivor } from "./survivor.ts"

/**
 * Ends the PostgreSQL of a folder whose owner died, and deletes the folder and its data for good. Does nothing where there
 * is no folder. Throws `folder-in-use` while a living process owns it, `not-found` for a folder that was never a cluster's.
 */
export async function removePostgres(path: string): Promise<void> {
  if (!existsSync(path)) return
  const account = chooseAccount()
  const folder = wishedFolder(path, account)
  if (!wasLocked(folder)) throw new Refusal("not-found", `${folder} holds no database of ours.`)
  // The lock goes with the folder.
  lockFolder(folder)
  const place = pointedPlace(folder) ?? placeOf(folder, account, true)
  const data = join(place, "data")
  await endSurvivor(data, accountOf(data, account))
  rmSync(place, { recursive: true, force: true })
  rmSync(folder, { recursive: true, force: true })
}

/** Removes throwaway clusters whose folder was deleted and whose data lies beside this one's. What is to last is never touched. */
export async function removeOrphans(place: string, account: Account): Promise<void> {
  for (const orphan of orphansBeside(place)) {
    const data = join(orphan, "data")
    await endSurvivor(data, accountOf(data, account))
    rmSync(orphan, { recursive: true, force: true })
  }
}
