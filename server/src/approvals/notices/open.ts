import { type Id, isId, randomText, refusalCode } from "#kernel"
import { quietUntil } from "../people/index.ts"
import * as store from "./store.ts"
import { type NoticesParts, takeTurn } from "./turn.ts"

/** Whether a person hears of what they are asked now. */
export type Reachable =
  | { state: "now" }
  /** Until then only what is critical disturbs them. */
  | { state: "quiet"; until: Date }
  /** They find it when they open their page, and are told by nobody. */
  | { state: "unannounced" }

/** Telling people: what was kept to be told reaches them by one channel after another, whichever server does it. */
export interface Notices extends AsyncDisposable {
  /** Asked before somebody waits for them: "nobody can approve until 08:00". */
  whenReachable(user: Id<"user">): Promise<Reachable>
  /** The person looked at a request, or with null at all that wait for them: no other channel is tried for it. */
  seen(user: Id<"user">, approval: string | null): Promise<void>
  /** A device has the message of a notice; whoever has the id has the message. Unknown ones are passed over. */
  received(id: string): Promise<void>
  /** Looks for what is due now. For tests, and for whoever cannot wait for a hint. */
  look(): void
}

/** How fast and how much, with what is right for servers as defaults. */
export type NoticesTimes = {
  /** A person whom a server has is another's after that many seconds; longer than any message takes. */
  claimSeconds: number
  /** People told at once by this server. */
  width: number
  /** Between looks while no hint comes. */
  lookMs: number
}

const usual: NoticesTimes = { claimSeconds: 60, width: 8, lookMs: 1_000 }
const RETRY_MS = 1_000
const HOUSEKEEPING_MS = 3_600_000

/** Opens them and begins to tell. */
export async function openNotices(parts: NoticesParts, times: Partial<NoticesTimes> = {}): Promise<Notices> {
  const { database, log, people, channels } = parts
  const { claimSeconds, width, lookMs } = { ...usual, ...times }
  const running = new Set<Promise<void>>()
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let forgottenAtMs = performance.now()

  /** Tells one person after another until nobody is left whom nobody has. */
  const work = async () => {
    // Where nothing can be carried, people find what waits on their pages, and nobody missed anything.
    while (!isStopped && (channels.order().length > 0 || channels.find("webhook") !== null)) {
      const claim = await store.claimPerson(database, randomText(26), claimSeconds)
      if (claim === null) return
      await takeTurn(parts, claim)
    }
  }
  const begin = () => {
    if (isStopped || running.size >= width) return
    const mine = work().catch((error: unknown) => {
      // The claim lapses, and whoever takes the person next begins anew.
      const isUnreachable = refusalCode(error) === "store-unavailable"
      if (!isStopped) log.warn("somebody could not be told; trying again", isUnreachable ? {} : { error })
      wakeIn(RETRY_MS)
    })
    running.add(mine)
    void mine.finally(() => {
      running.delete(mine)
      if (running.size === 0) void sleepUntilDue()
    })
  }
  const wakeIn = (ms: number) => {
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(begin, ms)
  }
  const sleepUntilDue = async () => {
    const dueMs = await store.nextDueMs(database).catch(() => RETRY_MS)
    if (running.size === 0) wakeIn(Math.min(Math.max(dueMs ?? lookMs, 5), lookMs))
    if (performance.now() - forgottenAtMs < HOUSEKEEPING_MS) return
    forgottenAtMs = performance.now()
    await store.forgetNotices(database).catch((error: unknown) => log.warn("old notices are not cleared", { error }))
  }
  const listening = await database.listen(store.NOTICES_CHANNEL, begin)
  begin()

  return {
    async whenReachable(user) {
      const { quietHours, contacts } = await people.reach(user)
      const until = quietHours === null ? null : quietUntil(quietHours, parts.clock.nowMs())
      if (until !== null) return { state: "quiet", until }
      const isAnnounced = contacts.some(
        ({ isVerified, contact }) => isVerified && channels.find(contact.kind)?.canReach(contact) === true,
      )
      return { state: isAnnounced || channels.find("webhook") !== null ? "now" : "unannounced" }
    },
    seen: (user, approval) => store.markSeen(database, user, approval),
    async received(id) {
      if (isId("notice", id)) await store.markReceived(database, id)
    },
    look: begin,
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await listening[Symbol.asyncDispose]()
      await Promise.all(running)
      clearTimeout(timer)
    },
  }
}
