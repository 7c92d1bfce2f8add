import {
  type Approval,
  counts,
  type Person,
  type Proven,
  type ProviderAsking,
  type Statement,
  sayOf,
  unknownApproval,
} from "#approvals"
import { type Change, together } from "#audit"
import { Refusal, type Secret } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { allOf } from "./all-of.ts"

/** What a provider that has no way of its own to its users tells its back end (Keycloak, AuthenticationChannelRequest). */
export type ChannelAsked = { bearer: Secret; bindingMessage: string }

/**
 * A provider has us ask one of its users. We do so only where it is we who asked it, about the same user and with the code of a
 * request that waits: then the person has it before them already, on our own page. Throws `token-invalid`,
 * `approval-unknown`, `provider-unavailable`, `provider-unknown`, `provider-not-configured`.
 */
export async function takeChannel(
  { sessions, approvals }: Rooms,
  provider: string,
  { bearer, bindingMessage }: ChannelAsked,
): Promise<void> {
  const { subject } = await sessions.providers.verifyChannel({ provider, bearer, bindingMessage })
  const asking = await approvals.ways.channel({ provider, subject, checkCode: bindingMessage, bearer })
  // A crash here leaves a provider that waits for an answer which the person can give, on any server.
  if (asking === null) throw unknownApproval()
}

/** What somebody is about to approve, and how they are known to be who they are. */
type About = { approvals: readonly Approval[]; statements: readonly Statement[]; proven: Proven }

/**
 * Passes a yes on to the person's provider, where that is what counts and the provider has us ask them: the approval then comes
 * with the provider's signed word. Null where the proof counts by itself, or no provider waits for it.
 */
export async function answerThere(rooms: Rooms, person: Person, about: About): Promise<Approval[] | null> {
  const { approvals, proven, statements } = about
  const part = rooms.approvals.part()
  if (approvals.some((each) => sayOf(each, person).some(({ rung }) => counts(part, rung, proven.way)))) return null
  const changes: Change<void>[] = []
  for (const [index, approval] of approvals.entries()) {
    const asking = await rooms.approvals.ways.of(approval.id, person.id)
    if (!isWaitingHere(asking)) return null
    if (!isEnough(rooms, asking, proven)) throw insufficient(asking.provider)
    // Said once already; the provider has it or will.
    if (asking.channel.decision !== null) continue
    changes.push(rooms.approvals.ways.answer({ approval, asking }, { proven, statement: statements[index]! }))
  }
  const { passkeys } = rooms.approvals
  const held: Change<void> = proven.way === "passkey" ? passkeys.holding(person.id, proven) : { entries: () => [] }
  // A crash here leaves nothing said. After it the worker tells the provider, and fetches its word.
  await rooms.audit.commit(together(held, allOf(changes)))
  return [...approvals]
}

/** What somebody has to prove to us for a yes that goes to their provider, of all of these; null where it does not ask through us. */
export async function proofThere(
  { approvals, sessions }: Rooms,
  user: string,
  ids: readonly string[],
): Promise<"session" | "passkey" | null> {
  const found = await Promise.all(ids.map((id) => approvals.ways.of(id, user)))
  const proofs = found.map((asking) => {
    // It is about to have us ask, or does already.
    const isLive = asking !== null && ["waiting", "asking", "asked"].includes(asking.state)
    return isLive ? sessions.providers.find(asking.provider)?.ciba?.channel?.proof : undefined
  })
  if (proofs.length === 0 || proofs.some((proof) => proof === undefined)) return null
  return proofs.includes("passkey") ? "passkey" : "session"
}

type WaitingHere = ProviderAsking & { channel: NonNullable<ProviderAsking["channel"]> }

function isWaitingHere(asking: ProviderAsking | null): asking is WaitingHere {
  return asking?.state === "asked" && asking.channel !== null
}

function isEnough({ sessions }: Rooms, { provider }: ProviderAsking, { way }: Proven): boolean {
  const wanted = sessions.providers.find(provider)?.ciba?.channel?.proof
  return wanted === "session" ? ["session", "passkey"].includes(way) : wanted === "passkey" && way === "passkey"
}

function insufficient(provider: string): Refusal {
  const what = `${provider} is told that you agreed only when you sign it.`
  return new Refusal("proof-insufficient", `${what} Being signed in is not enough: use your passkey.`)
}
