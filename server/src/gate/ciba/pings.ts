import type { Ping } from "#approvals"
import { guardedFetch } from "#sessions"
import type { Rooms } from "../rooms.ts"

const LOOK_MS = 1_000
const FORGET_EVERY_MS = 600_000
const AT_ONCE = 16
/** Within about five minutes; agents poll all the same. */
const MAX_TRIES = 8
/** Nothing that an agent answers is read. */
const MAX_BYTES = 16 * 1024
/** Of a client that is slow or has too much to do; all other refusals of 400 to 499 are for good. */
const LATER = [408, 425, 429]

/** What pings stand on. `lookMs` is how often it is asked what is due. */
export type PingParts = Pick<Rooms, "approvals" | "agents" | "log"> & { lookMs?: number }

/**
 * Tells agents that are registered for it that their request was decided (CIBA Core §10.2): that it was, and nothing of what. They
 * fetch that at the token endpoint. Every server does it; each takes others, and what one leaves is due again.
 */
export function startPings(parts: PingParts): AsyncDisposable {
  const { approvals, log, lookMs = LOOK_MS } = parts
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let forgotAtMs = performance.now()

  const look = async () => {
    let isMore = false
    try {
      const due = await approvals.backchannel.takePings(AT_ONCE)
      // A crash here leaves pings that are due again in a few seconds.
      await Promise.all(due.map((ping) => deliver(parts, ping)))
      isMore = due.length === AT_ONCE
      if (performance.now() - forgotAtMs > FORGET_EVERY_MS) {
        forgotAtMs = performance.now()
        await approvals.backchannel.forget()
      }
    } catch (error) {
      log.warn("agents could not be told of what was decided; trying again", { error })
    }
    if (!isStopped) timer = setTimeout(again, isMore ? 0 : lookMs)
  }
  let running = look()
  function again() {
    running = running.then(look)
  }
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await running
      clearTimeout(timer)
    },
  }
}

/** To where the agent is registered now: whoever changed that meanwhile had a reason. */
async function deliver({ approvals, agents, log }: PingParts, ping: Ping): Promise<void> {
  const agent = agents.agent(ping.agent)
  const endpoint = agent?.backchannel?.notificationEndpoint
  const isGone = agent?.state !== "active" || agents.isRevoked(ping.instance) || endpoint === undefined
  if (isGone || ping.tries > MAX_TRIES) return await approvals.backchannel.endPing(ping)
  const fetch = guardedFetch({ network: agent.backchannel!.network, maxBytes: MAX_BYTES })
  try {
    const { status } = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${ping.notificationToken.reveal()}`,
      },
      body: JSON.stringify({ auth_req_id: ping.authReqId }),
      redirect: "manual",
    })
    // CIBA Core §10.2: a redirect is not followed, which the guard sees to, and what is not wanted is not repeated.
    if (status < 500 && !LATER.includes(status)) await approvals.backchannel.endPing(ping)
    if (status >= 300) log.info("an agent did not take a ping", { agent: ping.agent, status })
  } catch (error) {
    log.info("an agent could not be pinged", { agent: ping.agent, tries: ping.tries, error })
  }
}
