import { type Approval, counts, type NewAsking, type Person, type ProviderAsking } from "#approvals"
import { newId } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { askThere, isOver, pollThere } from "./at-provider.ts"
import { waitingFor } from "./decide.ts"

const LOOK_MS = 500
const LEAST_PAUSE_MS = 20
/** Providers that are spoken with at once, by this server. */
const AT_ONCE = 32
const HOUSE_EVERY_MS = 600_000

/**
 * Asks people at their providers, where a rung counts that and the provider is configured for it, and fetches what they said.
 * Every server does it; each has others in hand, and goes on with those of a server that fell.
 */
export function startAsking(rooms: Rooms): AsyncDisposable {
  const { ways } = rooms.approvals
  const inHand = new Set<Promise<void>>()
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let keptHouseAtMs = performance.now()

  const take = (asking: ProviderAsking) => {
    const work = step(rooms, asking)
      .catch((error: unknown) => {
        // It is due again when its time with this server is over.
        rooms.log.warn("a user could not be asked at their provider; trying again", { asking: asking.id, error })
      })
      .finally(() => {
        inHand.delete(work)
        again()
      })
    inHand.add(work)
  }
  const look = async () => {
    let nextMs: number | null = LOOK_MS
    try {
      await ways.look(countingRungs(rooms), (request) => peopleOf(rooms, request))
      // A crash here leaves people who are waited for and not asked: whichever server looks next claims them.
      const isFull = inHand.size >= AT_ONCE
      if (!isFull) for (const asking of await ways.claim(AT_ONCE - inHand.size)) take(asking)
      nextMs = isFull ? null : await ways.nextDueMs()
      if (performance.now() - keptHouseAtMs > HOUSE_EVERY_MS) {
        keptHouseAtMs = performance.now()
        await ways.keepHouse()
      }
    } catch (error) {
      rooms.log.warn("nobody could be asked at their provider; trying again", { error })
    }
    clearTimeout(timer)
    const pauseMs = Math.max(LEAST_PAUSE_MS, Math.min(nextMs ?? LOOK_MS, LOOK_MS))
    if (!isStopped) timer = setTimeout(again, pauseMs)
  }
  let running = look()
  function again() {
    clearTimeout(timer)
    if (!isStopped) running = running.then(look)
  }
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await running
      await Promise.all(inHand)
      clearTimeout(timer)
    },
  }
}

/** Rungs on which a provider's word counts; none where no provider can ask. */
function countingRungs({ approvals, sessions: { providers } }: Rooms): string[] {
  if (!providers.names().some((name) => providers.canAsk(name))) return []
  return (["tap", "sign", "quorum"] as const).filter((rung) => counts(approvals.part(), rung, "provider"))
}

/** Who of those who may decide a request is asked at their provider: who is known here, where that counts, and where it can be done. */
async function peopleOf(rooms: Rooms, id: string): Promise<NewAsking[]> {
  const { approvals, sessions } = rooms
  const { providers } = sessions
  const found = await approvals.find(id)
  if (found === null) return []
  const counting = found.requirements.filter(({ rung }) => counts(approvals.part(), rung, "provider"))
  const known = counting.flatMap(({ members }) => {
    if (members === null) return found.user === null ? [] : [sessions.findUser({ id: found.user })]
    return members.map(async ({ provider, subject: sub }) => {
      const iss = providers.find(provider)?.issuer
      return iss === undefined ? null : await sessions.findUser({ iss, sub })
    })
  })
  const people = (await Promise.all(known)).filter((user) => user !== null)
  const distinct = [...new Map(people.map((user) => [user.id, user])).values()]
  return distinct
    .filter(({ provider, iss }) => providers.canAsk(provider) && providers.find(provider)?.issuer === iss)
    .map(({ id: user, provider, iss: issuer, sub: subject }) => ({
      id: newId("asking"),
      user,
      provider,
      issuer,
      subject,
    }))
}

/** Goes on with one: asks, or fetches the answer. What the person had to decide may be over meanwhile. */
async function step(rooms: Rooms, asking: ProviderAsking): Promise<void> {
  const person: Person = { id: asking.user, provider: asking.provider, sub: asking.subject }
  let approval: Approval
  try {
    approval = await waitingFor(rooms, person, asking.request)
  } catch (error) {
    if (!isOver(error)) throw error
    return await close(rooms, asking)
  }
  if (approval.decisions.some(({ approver }) => approver === person.id)) return await close(rooms, asking)
  const of = { approval, asking, person }
  if (asking.state === "asked") await pollThere(rooms, of)
  else await askThere(rooms, of)
}

/** Ends it with the request; a provider that has us ask is told, once, that nobody asks any more. */
async function close(rooms: Rooms, { id, request, user, provider, channel }: ProviderAsking): Promise<void> {
  await rooms.audit.commit(rooms.approvals.ways.end(id, "over"))
  // A crash here leaves a provider that waits until its own time is over.
  if (channel?.bearer == null) return
  const decided = (await rooms.approvals.find(request))?.decisions.find(({ approver }) => approver === user)
  const status = decided === undefined || decided.decision === "approve" ? "CANCELLED" : "UNAUTHORIZED"
  await rooms.sessions.providers.answerChannel(provider, channel.bearer, status).catch((error: unknown) => {
    rooms.log.debug("a provider was not told that nobody asks any more", { provider, error })
  })
}
