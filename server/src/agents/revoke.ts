import type { Change } from "#audit"
import { Refusal } from "#kernel"
import { bumpRevision, lock, readAgents, revokeInstance as revokeInstanceRow } from "./store.ts"

/** An instance of an agent that stands for nobody any more. */
export type RevokedInstance = { agent: string; instance: string }

/** What revoking did; `isChanged` is false when it was revoked already, and then nothing is recorded. */
export type Revocation = RevokedInstance & { isChanged: boolean }

/**
 * Lets one enrolled key stand for nobody, for good; the agent's other instances go on. Throws `not-found` for an instance that
 * is not this agent's. It is refused on every server when that server has read the epoch.
 */
export function revokeInstance(of: RevokedInstance, reason: string, by: string): Change<Revocation> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      const owners = (await readAgents(tx)).filter(({ name }) => name === of.agent).map(({ id }) => id)
      const isChanged = await revokeInstanceRow(tx, of.instance, owners)
      if (isChanged === null) {
        throw new Refusal("not-found", `The agent ${of.agent} has no instance ${of.instance.slice(0, 100)}.`)
      }
      if (isChanged) await bumpRevision(tx)
      return { ...of, isChanged }
    },
    entries: ({ isChanged, ...data }) =>
      isChanged ? [{ event: "agents.instance-revoked", by, data, personal: { reason } }] : [],
  }
}
