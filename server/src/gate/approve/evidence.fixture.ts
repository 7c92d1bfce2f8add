import { randomBytes } from "node:crypto"
import { renderCard, shownOf } from "#approvals"
import { base64url } from "#kernel"
import type { User } from "#sessions"
import type { SoftwarePasskey } from "#testing"
import type { TestApproving } from "./approve.fixture.ts"
import { approve, challengeFor } from "./decide.ts"
import { evidenceRoutes } from "./evidence-routes.ts"

const origin = "https://safeconduct.example"

/** Lets a passkey of theirs in. */
export async function enrol(at: TestApproving, user: User, passkey: SoftwarePasskey): Promise<void> {
  const { approvals, audit } = at.rooms
  const by = { known: { user, providerSession: null, ageSeconds: 1 }, browser: base64url(randomBytes(32)) }
  const answer = passkey.create(await approvals.passkeys.registrationOptions({ ...by, name: "x" }), origin)
  await audit.commit(await approvals.passkeys.enrol({ ...by, answer, label: "Phone", vouching: null }))
}

/** Approves these requests by one signature, as the page does. `between` happens after it was verified. */
export async function sign(
  at: TestApproving,
  ids: string[],
  user: User,
  passkey: SoftwarePasskey,
  between: () => Promise<unknown> = async () => null,
) {
  const { rooms } = at
  const person = { id: user.id, provider: user.provider, sub: user.sub }
  const asked = await challengeFor(rooms, person, { ids, shown: ({ facts }) => shownOf(renderCard(facts!, "en")) })
  const options = await rooms.approvals.passkeys.assertionOptions(user.id, asked.challenge)
  const proven = await rooms.approvals.passkeys.verify(user.id, asked.challenge, passkey.get(options, origin))
  await between()
  return await approve(rooms, person, asked, proven)
}

/** As an auditor gets it. */
export async function evidenceOf(at: TestApproving, id: string): Promise<string> {
  const route = evidenceRoutes(at.rooms).find(({ path }) => path.endsWith("/evidence"))!
  const request = { caller: at.gate.operator, params: { id }, query: {}, headers: new Headers(), listener: "agents" }
  return await ((await route.handle({ ...request, body: undefined as never } as never)) as Response).text()
}
