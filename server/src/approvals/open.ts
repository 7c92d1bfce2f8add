import type { Audit, Draft } from "#audit"
import { bumpEpoch, type Clock, type Database, type Epoch, type Json, type Keyring, type Log } from "#kernel"
import { openBackchannel } from "./backchannel/backchannel.ts"
import { openChannels } from "./channels/index.ts"
import { deciding } from "./decisions.ts"
import type { Approvals } from "./door.ts"
import { reportSince } from "./fatigue/report.ts"
import { openGrants } from "./grants/grants.ts"
import { extending } from "./more-time/extend.ts"
import { extendable } from "./more-time/store.ts"
import { openNotices } from "./notices/index.ts"
import { countLately } from "./pacing/store.ts"
import { type ApprovalsPart, parseApprovals } from "./part.ts"
import { openPasskeys } from "./passkeys/open.ts"
import { openPeople } from "./people/index.ts"
import { openReports } from "./reports/reports.ts"
import { expiring, givingBack, requesting, using, withdrawing } from "./requests.ts"
import * as store from "./store.ts"
import { startSweep } from "./sweep.ts"
import { openUsual } from "./usual/usual.ts"
import { openWaiting } from "./waiting.ts"
import { openWays } from "./ways/open.ts"

/** What the room stands on. */
export type ApprovalsParts = {
  database: Database
  audit: Audit
  epoch: Epoch
  keyring: Keyring
  clock: Clock
  log: Log
  /** Our own, as statements name it: the public URL of the web listener. */
  issuer: string
}

/** Opens the room. A stored part that does not parse is logged, and nothing can be approved under it. */
export async function openApprovals(parts: ApprovalsParts): Promise<Approvals> {
  const { database, audit, epoch, log, issuer } = parts
  await using stack = new AsyncDisposableStack()
  let held = await loadPart(database, log)
  const { reports, load } = await openReports(database)
  epoch.onChange(async () => {
    held = await loadPart(database, log)
    await load()
  })
  const waiting = stack.use(await openWaiting(database))
  const channels = openChannels({ ...parts, part: () => held.channels })
  const people = openPeople({ ...parts, channels, nowMs: () => parts.clock.nowMs() })
  const notices = stack.use(await openNotices({ ...parts, channels, people }))
  stack.use(startSweep({ database, log, commit: (change) => audit.commit(change), part: () => held }))
  const owned = stack.move()
  return {
    issuer,
    passkeys: openPasskeys({ database, audit, issuer, part: () => held }),
    ways: openWays(parts),
    backchannel: openBackchannel(parts),
    usual: openUsual(database),
    channels,
    people,
    notices,
    parse: ({ approvals }) => parseApprovals(approvals),
    part: () => held,
    replace: (part, by) => ({
      async work(tx) {
        const isChanged = await store.writePart(tx, part as unknown as Json)
        if (isChanged) await bumpEpoch(tx)
        return isChanged
      },
      entries: (isChanged) => (isChanged ? [configuredDraft(part, by)] : []),
    }),
    alone: (otherwise) => ({
      async work(tx) {
        if (partOf(await store.readPart(tx), log).changes === "two-operators") throw otherwise
      },
      entries: () => [],
    }),
    request: (asked, tells) => requesting(held, asked, tells),
    extend: (id, person) => extending(id, person),
    extendable: (ids) => extendable(database, ids),
    find: (id) => store.findRequest(database, id),
    list: (of) => store.listRequests(database, of),
    countLately: (agent, most) => countLately(database, agent, most),
    waitFor: (id, state, ms) =>
      waiting.until(id, async () => (await store.findRequest(database, id))?.state !== state, ms),
    decide: (decision) => deciding(held, decision),
    use: (use) => using(use),
    giveBack: (id, entry) => givingBack(id, entry),
    withdraw: (of, reason, by) => withdrawing(of, reason, by),
    grants: openGrants({ database, part: () => held }),
    fatigue: (of) => reportSince(database, { ...of, since: new Date(parts.clock.nowMs() - of.hours * 3_600_000) }),
    reports,
    expire: () => expiring(held, 100),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function configuredDraft({ groups, changes }: ApprovalsPart, by: string): Draft {
  return { event: "approvals.configured", by, data: { groups: Object.keys(groups).sort(), changes } }
}

async function loadPart(database: Database, log: Log): Promise<ApprovalsPart> {
  return partOf(await store.readPart(database), log)
}

function partOf(stored: unknown, log: Log): ApprovalsPart {
  try {
    return parseApprovals(stored ?? {})
  } catch (error) {
    log.error("the stored part of approvals does not parse; only passkeys count, and no group can approve", { error })
    const proofs = { tap: ["passkey"], sign: ["passkey"], quorum: ["passkey"] }
    return parseApprovals({ proofs, changes: "two-operators" })
  }
}
