import { type SoftwarePasskey, softwarePasskey } from "@safeconduct/console/passkey"
import { type Approval, renderCard, shownOf } from "#approvals"
import { approve, challengeFor, deny, type Rooms, setCookie } from "#gate"
import { Refusal } from "#kernel"
import type { SignedInBrowser } from "#sessions"

/** How the passkeys are called that this makes. */
const LABEL = "Development phone"

/** Somebody's phone, played: who is signed in with it, and a passkey that asks nobody. */
export type Phone = { known: SignedInBrowser; cookies: string[]; passkey: SoftwarePasskey | null }

/** People's phones in development, by how their provider calls them. */
export interface Phones {
  /** Signs a person of the embedded provider in, with a passkey of their own. Throws `provider-unknown`. */
  open(person: string): Promise<Phone>
  /** The passkey that a signed-in browser's person has here; null for none. */
  passkeyOf(user: string): SoftwarePasskey | null
}

/** Opens them, all empty. For development alone: it signs people in without asking their provider. */
export function openPhones(rooms: Rooms): Phones {
  const keys = new Map<string, SoftwarePasskey>()
  const { sessions, approvals, audit } = rooms
  const issuer = new URL(sessions.issuer)

  const signIn = async (person: string) => {
    const { providers } = sessions
    const name = providers.names().find((each) => providers.find(each)?.network === "loopback")
    if (name === undefined) {
      throw new Refusal("provider-unknown", "Configure the embedded provider (providers, network: loopback) first.")
    }
    const user = { provider: name, iss: providers.find(name)!.issuer, sub: person, claims: {} }
    const arrival = { user, providerSession: null, signedInAtMs: rooms.clock.nowMs() }
    const { result } = await audit.commit(sessions.browsers.signIn(arrival))
    return { known: (await sessions.browsers.signedIn(result.cookie))!, cookie: result.cookie }
  }
  const enrol = async (known: SignedInBrowser): Promise<SoftwarePasskey | null> => {
    const mine = keys.get(known.user.id)
    if (mine !== undefined) return mine
    const { passkeys } = approvals
    // A phone of an earlier run has lost its key.
    for (const { id, label, revokedAt } of await passkeys.list(known.user.id)) {
      const isStale = label === LABEL && revokedAt === null
      if (isStale) await audit.commit(passkeys.revoke({ id, user: known.user.id }))
    }
    const own = (await passkeys.list(known.user.id)).filter(({ revokedAt }) => revokedAt === null)
    // Who has a key of their own signs with that.
    if (own.length > 0) return null
    const browser = sessions.browsers.newBrowser()
    const options = await passkeys.registrationOptions({ known, browser, name: known.user.sub })
    const made = softwarePasskey()
    const answer = made.create(options as never, issuer.origin)
    await audit.commit(await passkeys.enrol({ known, browser, answer: answer as never, label: LABEL, vouching: null }))
    keys.set(known.user.id, made)
    return made
  }
  return {
    async open(person) {
      const { known, cookie } = await signIn(person)
      const passkey = await enrol(known)
      return { known, cookies: [setCookie(issuer, "signedIn", cookie)], passkey }
    },
    passkeyOf: (user) => keys.get(user) ?? null,
  }
}

/** Whom an automation plays, and what they say of a request: the OpenID conformance suite's, or a test's. */
export type Automation = { approval: string; action: "approve" | "deny"; person: string }

/** Decides as that person, with their own passkey, over what their card would show. Throws what the gate refuses with. */
export async function decideAs(rooms: Rooms, phones: Phones, automation: Automation): Promise<Approval> {
  const { known, passkey } = await phones.open(automation.person)
  const ids = [automation.approval]
  if (automation.action === "deny") return (await deny(rooms, known.user, { ids, decision: "deny" }))[0]!
  const shown = ({ facts }: Approval) => shownOf(renderCard(facts!, "en"))
  const challenge = await challengeFor(rooms, known.user, { ids, shown })
  const { passkeys, issuer } = rooms.approvals
  if (passkey === null) {
    throw new Refusal("passkey-unknown", `${automation.person} has a passkey of their own: approve on that device.`)
  }
  const options = await passkeys.assertionOptions(known.user.id, challenge.challenge)
  const answer = passkey.get(options as never, new URL(issuer).origin)
  const proven = await passkeys.verify(known.user.id, challenge.challenge, answer as never)
  return (await approve(rooms, known.user, challenge, proven))[0]!
}
