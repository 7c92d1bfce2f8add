import { isBefore, type OpenedEntry, refused } from "./entries.ts"

/** A passkey as the log knows it. */
export type KnownKey = {
  credentialId: string
  /** COSE_Key, base64url. */
  publicKey: string
  rpId: string
  origin: string
  user: string
  /** Who its owner is at their provider, where that is disclosed. */
  identity: { iss: string; sub: string } | null
}

/** Keys that are enrolled in the entries of a bundle. */
export type KnownKeys = {
  /** The key, if it is the decider's and counted when they decided. Throws `not-verified`. */
  keyFor(decision: OpenedEntry, credentialId: string): KnownKey
}

const EVENTS = ["approvals.passkey-enrolled", "approvals.passkey-confirmed", "approvals.passkey-revoked"]

/** Servers' clocks differ from the database's by less than this; one that is further off is not ready. */
const SLACK_MS = 10_000

/** True for an entry that tells of a passkey. */
export function tellsOfPasskey({ leaf }: OpenedEntry): boolean {
  return EVENTS.includes(leaf.event)
}

/** What the entries say of passkeys. `used` is told which of them an answer rests on. */
export function keysIn(entries: readonly OpenedEntry[], used: (entry: OpenedEntry) => void): KnownKeys {
  return {
    keyFor(decision, credentialId) {
      const all = entries.filter((each) => tellsOfPasskey(each) && each.leaf.data?.["credentialId"] === credentialId)
      const [enrolled, confirmed, revoked] = EVENTS.map((event) => all.filter(({ leaf }) => leaf.event === event))
      if (enrolled!.length !== 1) throw refused("the passkey was never enrolled")
      const [entry] = enrolled!
      for (const each of all) used(each)
      if (!isBefore(entry!, decision)) throw refused("the passkey was enrolled after it signed")
      if (entry!.leaf.user !== decision.leaf.by) throw refused("the passkey is somebody else's")
      if (revoked!.some((each) => isBefore(each, decision))) throw refused("the passkey was revoked before it signed")
      if (!hasCounted(entry!, confirmed!, decision)) throw refused("the passkey did not count yet when it signed")
      return keyOf(entry!)
    },
  }
}

/** From the time that its enrolment names, or from when somebody confirmed it. */
function hasCounted({ leaf }: OpenedEntry, confirmed: readonly OpenedEntry[], decision: OpenedEntry): boolean {
  const from = leaf.data?.["countsFrom"]
  if (typeof from === "string" && Date.parse(from) <= Date.parse(decision.leaf.at) + SLACK_MS) return true
  return confirmed.some((each) => isBefore(each, decision))
}

function keyOf({ leaf, personal }: OpenedEntry): KnownKey {
  const data = leaf.data ?? {}
  const text = (name: string): string => {
    const value = data[name]
    if (typeof value !== "string") throw refused(`the enrolment of the passkey has no ${name}`)
    return value
  }
  const { iss, sub } = personal
  return {
    credentialId: text("credentialId"),
    publicKey: text("publicKey"),
    rpId: text("rpId"),
    origin: text("origin"),
    user: leaf.user ?? "",
    identity: typeof iss === "string" && typeof sub === "string" ? { iss, sub } : null,
  }
}
