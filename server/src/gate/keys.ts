import { setTimeout as sleep } from "node:timers/promises"
import { resealBackchannel, resealChannelSecrets, resealPeople } from "#approvals"
import type { Draft } from "#audit"
import { resealCredentials } from "#credentials"
import {
  allSealWith,
  bumpKeys,
  countServersWithout,
  type Database,
  type KeptKeyring,
  listKeys,
  Refusal,
  resealKeys,
} from "#kernel"
import { resealProviders } from "#sessions"
import type { Rooms } from "./rooms.ts"

/** What keys are for. */
export const keyUses = ["token", "ca-root", "ca-intermediate", "log", "key-encryption"] as const
/** Uses whose key is rotated by a command. */
export const rotated = ["token", "ca-intermediate", "log", "key-encryption"] as const

/** What keys rest in, beside the rooms that use them. */
export type Keys = { database: Database; keyring: KeptKeyring }

/** A key as it is listed: never the key itself. */
export type KeyView = {
  kid: string
  use: (typeof keyUses)[number]
  /** `next`: in the file or published, not used yet. `retired`: of no more use than to verify what is old. */
  state: "next" | "active" | "verifying" | "retired"
  activeFrom: Date | null
  retiredAt: Date | null
}

/** What a rotation did, and what is still to be done by whoever asked for it. */
export type Rotation = { use: (typeof rotated)[number]; kid: string; next: string }

/** How long all servers together may take to seal with another key. */
const EVERYWHERE_MS = 15_000
/** A value that was sealed by the old key just before, and was still on its way into the database, has arrived by then. */
const SETTLE_MS = 2_000
/** How long values may take to be sealed anew before the log says that it broke off. */
const RESEAL_SECONDS = 3_600

/** Every key of the deployment. */
export async function viewKeys({ audit }: Pick<Rooms, "audit">, { database, keyring }: Keys): Promise<KeyView[]> {
  const stored = await listKeys(database)
  const nowMs = Date.now()
  const signs = new Map(
    stored
      .filter(({ activeFrom, retiredAt }) => retiredAt === null && activeFrom.getTime() <= nowMs)
      .toSorted((a, b) => a.activeFrom.getTime() - b.activeFrom.getTime())
      .map(({ use, kid }) => [use, kid]),
  )
  const [log] = await audit.logs()
  const next = audit.keys.next()
  const ofLog = [
    ...log!.keys.map(({ vkey, addedAt, retiredAt }) => ({ vkey, activeFrom: addedAt, retiredAt })),
    ...(next === null ? [] : [{ vkey: next, activeFrom: null, retiredAt: null }]),
  ]
  return [
    ...stored.map(({ kid, use, activeFrom, retiredAt }): KeyView => {
      const waiting = activeFrom.getTime() > nowMs ? "next" : signs.get(use) === kid ? "active" : "verifying"
      return { kid, use, state: retiredAt === null ? waiting : "retired", activeFrom, retiredAt }
    }),
    ...ofLog.map(({ vkey, activeFrom, retiredAt }): KeyView => {
      const state = activeFrom === null ? "next" : retiredAt === null ? "active" : "retired"
      return { kid: shortOf(vkey), use: "log", state, activeFrom, retiredAt }
    }),
    ...keyring.held().map((kid): KeyView => {
      const state = kid === keyring.sealing() ? "active" : kid === keyring.next() ? "next" : "verifying"
      return { kid, use: "key-encryption", state, activeFrom: null, retiredAt: null }
    }),
  ]
}

/**
 * Goes over to another key, while servers run and agents work. Throws `no-next-key` where the key has to be put into a file
 * first, and `key-not-everywhere` while a server that runs does not have it there.
 */
export async function rotateKey(rooms: Rooms, keys: Keys, use: Rotation["use"], by: string): Promise<Rotation> {
  switch (use) {
    case "token": {
      const { result } = await rooms.audit.commit(rooms.sessions.rotateKey(by))
      await rooms.epoch.refresh()
      const next =
        "It is published, signs in ten minutes, and the old one is retired when nothing living is signed by it."
      return { use, kid: result.kid, next }
    }
    case "ca-intermediate": {
      const { result } = await rooms.audit.commit(rooms.agents.rotateIntermediate(by))
      await rooms.epoch.refresh()
      return { use, kid: result.kid, next: "It signs from now on; SVIDs by the old one are good until they expire." }
    }
    case "log":
      return await rotateLogKey(rooms, keys, by)
    case "key-encryption":
      return await rotateKeyEncryption(rooms, keys, by)
  }
}

/** Ends the overlap of log keys. Throws `no-next-key` when there is none. */
export async function retireLogKey({ audit, epoch }: Rooms, by: string): Promise<{ retired: string[]; kid: string }> {
  const change = audit.keys.retire(by)
  const { result } = await audit.commit({
    work: async (tx) => {
      const retired = await change.work!(tx)
      await bumpKeys(tx)
      return retired
    },
    entries: change.entries,
  })
  await epoch.refresh()
  return { retired: result.map(shortOf), kid: shortOf(audit.vkey) }
}

async function rotateLogKey({ audit, epoch }: Rooms, { database }: Keys, by: string): Promise<Rotation> {
  await audit.keys.reload()
  const next = audit.keys.next()
  if (next !== null) requireEverywhere(await countServersWithout(database, { logKey: next }), "log")
  const change = audit.keys.add(by)
  const { result } = await audit.commit({
    work: async (tx) => {
      const vkey = await change.work!(tx)
      await bumpKeys(tx)
      return vkey
    },
    entries: change.entries,
  })
  await epoch.refresh()
  const what = "Checkpoints carry both signatures. When every auditor has the new key: safeconduct keys retire log."
  return { use: "log", kid: shortOf(result), next: what }
}

async function rotateKeyEncryption(rooms: Rooms, { database, keyring }: Keys, by: string): Promise<Rotation> {
  await keyring.reload()
  const before = keyring.sealing()
  const key = keyring.next() ?? before
  const isInterrupted = key === before
  if (isInterrupted && (await reseal(database, keyring)) === 0) {
    const how = 'Make one with "safeconduct keys add key-encryption" and copy the file to every server\'s host.'
    throw new Refusal("no-next-key", `The file holds one key, and everything is sealed by it. ${how}`)
  }
  requireEverywhere(await countServersWithout(database, { keyEncryptionKey: key }), "key-encryption")
  const { entries } = await rooms.audit.commit({
    work: async (tx) => {
      if (!isInterrupted) await keyring.choose(tx, key)
    },
    entries: (): Draft[] => [
      { event: "gate.resealing-begun", by, data: { key, before }, deadlineSeconds: RESEAL_SECONDS },
    ],
  })
  // A crash here leaves old values that the old key opens; the same command goes on with them.
  await rooms.epoch.refresh()
  await sealedEverywhere(database, key)
  let values = await reseal(database, keyring)
  await sleep(SETTLE_MS)
  for (let count = await reseal(database, keyring); count > 0; count = await reseal(database, keyring)) values += count
  await rooms.audit.commit({
    entries: () => [{ event: "gate.resealing-finished", by, of: entries[0]!.id, data: { key, values } }],
  })
  const next = `${values} values are sealed by it. Take the old key out of the files, and keep it for as long as its backups.`
  return { use: "key-encryption", kid: key, next }
}

async function reseal(database: Database, keyring: KeptKeyring): Promise<number> {
  const secrets = (await resealCredentials(database, keyring)) + (await resealProviders(database, keyring))
  const owed = await resealBackchannel(database, keyring)
  const reached = (await resealChannelSecrets(database, keyring)) + (await resealPeople(database, keyring))
  return (await resealKeys(database, keyring)) + secrets + owed + reached
}

function requireEverywhere(without: number, use: "log" | "key-encryption"): void {
  if (without === 0) return
  const what = `${without} ${without === 1 ? "server runs" : "servers run"} without the next key in the file.`
  throw new Refusal("key-not-everywhere", `${what} Copy the ${use} key file to every server's host, and try again.`)
}

/** A value that another server sealed by the old key after we looked would be found by nobody. */
async function sealedEverywhere(database: Database, key: string): Promise<void> {
  for (const deadline = performance.now() + EVERYWHERE_MS; !(await allSealWith(database, key)); await sleep(100)) {
    if (performance.now() < deadline) continue
    const what = "A server still seals with the old key. Nothing is lost: look at its log, and repeat the command."
    throw new Refusal("key-not-everywhere", what)
  }
}

/** Name and id of a note key, without the key. */
function shortOf(vkey: string): string {
  return vkey.split("+").slice(0, 2).join("+")
}
