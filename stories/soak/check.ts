/**
 * The checker: a program of its own that only reads. It follows the log as an auditor does, over HTTP from any server, and
 * looks at the resources as their owner does, by SQL. It knows nothing of what the servers are made of. Told "finish" on its
 * standard input it waits for what is still owed, verifies the whole log, compares it with what agents were answered, and
 * writes its report as one line of JSON.
 */
import { createWriteStream } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { connect, openTransport, peerOf, SafeconductError } from "@safeconduct/sdk"
import { httpReader, type LogReader, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { compareAnswers } from "./answers.ts"
import { follow } from "./follow.ts"
import { type Caps, createLogRules } from "./log-rules.ts"
import { watchResource } from "./look.ts"
import { readNotebooks } from "./observations.ts"
import { readOrder } from "./processes.ts"
import { emptyRecord, parseEntry, type Violation } from "./record.ts"
import { type Bounds, createResourceRules, type Gone } from "./resource-rules.ts"
import { noTroubles } from "./trouble.ts"

/** What the checker is told. */
export type CheckOrder = {
  servers: { agentsUrl: string; webUrl: string }[]
  vkey: string
  joinToken: string
  folder: string
  resources: { [name: string]: string }
  notebooks: string
  /** Where every entry goes as it is read, for whoever looks for the cause of a violation. */
  copy: string
  caps: Caps
  bounds: Bounds
  /** What whoever comes back may need to take up what was left. */
  afterTroubleMs: number
}

/** What it has seen so far; `report` is the last of them. */
export type CheckReport = {
  step: "report" | "tally"
  violations: Violation[]
  violationCount: number
  entries: number
  checkpoints: number
  receipts: number
  looks: number
  troubleMs: number
  sessions: number
  leases: number
  decisions: number
  accounts: number
  standing: number
  lateAccounts: number
  missing: number
  discarded: number
  withheld: number
  answers: number
  gone: { undisturbed: Quantiles; disturbed: Quantiles }
}

/** Milliseconds. */
export type Quantiles = { count: number; p50: number; p99: number; most: number }

const LOOK_MS = 200
const FOLLOW_MS = 500
const RECEIPT_MS = 3_000
const TALLY_MS = 5_000
/** A loop of ours that comes this much later says that the machine, and not the servers, kept it waiting. */
const STALL_MS = 1_000
/** Whatever was killed is back long before this. */
const BLIND_MS = 120_000
const OWED_MS = 180_000
const MOST_TOLD = 500

const order = await readOrder<CheckOrder>((line) => {
  if (line === "finish") void conclude()
})
const violations: Violation[] = []
let violationCount = 0
const tell = (violation: Violation) => {
  violationCount += 1
  if (violations.length < MOST_TOLD) violations.push(violation)
  process.stderr.write(`VIOLATION ${JSON.stringify(violation)}\n`)
}

const auditor = await connect({
  url: order.servers[0]!.agentsUrl,
  joinToken: order.joinToken,
  folder: order.folder,
  onProblem: () => undefined,
})
const record = emptyRecord()
const troubles = noTroubles(order.afterTroubleMs)
const logRules = createLogRules(record, order.caps, tell)
const resourceRules = createResourceRules(record, order.bounds, tell)
const watchers = Object.entries(order.resources).map(([name, url]) => watchResource(name, url))
/** Entries of late, for receipts. */
const recent: { id: string; bytes: Uint8Array; index: number }[] = []
const blind = new Set<string>()
const copy = createWriteStream(order.copy)
let logAtMs = 0
let looks = 0
let receipts = 0
let isOver = false

const follower = follow(
  order.vkey,
  (bytes, index) => {
    const entry = parseEntry(bytes, index)
    logRules.take(entry)
    copy.write(bytes)
    copy.write("\n")
    logAtMs = Math.max(logAtMs, entry.atMs)
    recent.push({ id: entry.id, bytes, index })
    if (recent.length > 64) recent.shift()
  },
  tell,
)

/** The log at one server: hashes and checkpoint as anybody gets them, entries as an auditor. */
function readerAt({ agentsUrl, webUrl }: CheckOrder["servers"][number]): LogReader {
  const web = httpReader(`${webUrl}/log`)
  return {
    async read(path) {
      if (!path.startsWith("tile/entries")) return await web.read(path)
      return new Uint8Array(await asAuditor(agentsUrl, `/log/${path}`))
    },
  }
}

async function asAuditor(url: string, path: string): Promise<Buffer> {
  using transport = openTransport({ ...peerOf(auditor.identity), url })
  return (await transport.send({ method: "GET", path, maxAttempts: 1, timeoutMs: 5_000 })).bytes
}

/** Repeats the work until the end; a failure is trouble with what it is about. */
async function every(ms: number, what: string, work: () => Promise<void>): Promise<void> {
  for (let wanted = Date.now(); !isOver; ) {
    const lateMs = Date.now() - wanted
    if (lateMs > STALL_MS) {
      troubles.failed(`stall of ${what}`, wanted)
      troubles.succeeded(`stall of ${what}`, Date.now())
    }
    const began = Date.now()
    try {
      await work()
      troubles.succeeded(what, Date.now())
    } catch (error) {
      if (error instanceof TypeError && !/fetch failed/.test(error.message)) throw error
      troubles.failed(what, began)
    }
    wanted = Date.now() + ms
    await delay(ms)
  }
}

/** The checkpoint of a server that is paused does not come: whoever waits longer than this calls it trouble. */
async function prompt(webUrl: string): Promise<void> {
  const response = await fetch(`${webUrl}/log/checkpoint`, { signal: AbortSignal.timeout(STALL_MS) })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`checkpoint: HTTP ${response.status}`)
}

async function checkReceipt(): Promise<void> {
  const chosen = recent[Math.floor(Math.random() * recent.length)]
  if (chosen === undefined) return
  const { agentsUrl } = order.servers[Math.floor(Math.random() * order.servers.length)]!
  const text = (await asAuditor(agentsUrl, `/v1/audit/receipts/${chosen.id}`)).toString("utf8")
  const { ok, index, problems } = await verifyReceipt(text, chosen.bytes, order.vkey)
  receipts += 1
  if (ok && index === chosen.index) return
  tell({ rule: "receipt", what: `${chosen.id}: ${JSON.stringify(problems)}`, atMs: Date.now(), index: chosen.index })
}

function report(step: CheckReport["step"], answers = 0): CheckReport {
  const decisions = [...record.decisions.values()]
  const quantilesOf = (isTroubled: boolean) =>
    quantiles(resourceRules.gone.filter((each) => each.isTroubled === isTroubled))
  return {
    step,
    violations,
    violationCount,
    entries: follower.size,
    checkpoints: follower.checkpoints,
    receipts,
    looks,
    troubleMs: Math.round(troubles.totalMs),
    sessions: record.sessions.size,
    leases: record.leases.size,
    decisions: decisions.length,
    accounts: resourceRules.seen,
    standing: resourceRules.standing,
    lateAccounts: resourceRules.lateAccounts,
    missing: decisions.filter(({ isMissing }) => isMissing).length,
    discarded: decisions.filter(({ outcome }) => outcome === "gate.action-discarded").length,
    withheld: decisions.filter(({ mustBeDiscarded }) => mustBeDiscarded !== undefined).length,
    answers,
    gone: { undisturbed: quantilesOf(false), disturbed: quantilesOf(true) },
  }
}

function quantiles(gone: Gone[]): Quantiles {
  const sorted = gone.map(({ ms }) => Math.round(ms)).toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? 0 }
}

/** What is still owed once nobody works any more; empty when nothing is. */
function owed(): string[] {
  const open = [...record.sessions.values()].filter(({ endIndex }) => endIndex === undefined)
  const leases = [...record.leases.values()].filter(({ endIndex }) => endIndex === undefined)
  const undecided = [...record.decisions.values()].filter(
    ({ verdict, outcome, isMissing }) => verdict === "allow" && outcome === undefined && !isMissing,
  )
  return [
    ...open.map(({ id }) => `${id} is open`),
    ...leases.map(({ id }) => `${id} has no end`),
    ...undecided.map(({ entry }) => `${entry} has no outcome`),
    ...(resourceRules.standing > 0 ? [`${resourceRules.standing} accounts stand at the resources`] : []),
  ]
}

async function finish(): Promise<CheckReport> {
  const deadline = Date.now() + OWED_MS
  while (owed().length > 0 && Date.now() < deadline) await delay(FOLLOW_MS)
  // What is judged with a lag is judged once more.
  await delay(15_000)
  for (const what of owed().slice(0, 20)) tell({ rule: "owed-at-the-end", what, atMs: Date.now() })
  isOver = true
  await Promise.all(loops)
  const older = follower.first === null ? {} : { older: follower.first }
  const verified = await verifyLog(readerAt(order.servers[0]!), order.vkey, older)
  for (const { code, message } of verified.problems) tell({ rule: `log-${code}`, what: message, atMs: Date.now() })
  const answers = compareAnswers(readNotebooks(order.notebooks), record, tell)
  return report("report", answers)
}

const loops = [
  ...order.servers.map((server, nth) => every(FOLLOW_MS, `server ${nth}`, () => prompt(server.webUrl))),
  ...watchers.map((watcher, nth) =>
    every(LOOK_MS, `resource ${nth}`, async () => {
      resourceRules.look(await watcher.look())
      looks += 1
    }),
  ),
  every(FOLLOW_MS, "the log", async () => {
    const server = order.servers[Math.floor(Math.random() * order.servers.length)]!
    await follower.step(readerAt(server))
    resourceRules.judge(logAtMs, troubles.lateBy)
    logRules.due(logAtMs, troubles.lateBy)
  }),
  every(RECEIPT_MS, "receipts", async () => {
    // Refused with 404 or 503 while the checkpoint is behind; a receipt that comes must be right.
    await checkReceipt().catch((error: unknown) => {
      if (!(error instanceof SafeconductError)) throw error
    })
  }),
  every(TALLY_MS, "the tally", async () => {
    for (const what of troubles.longerThan(BLIND_MS)) {
      if (!blind.has(what)) tell({ rule: "unreachable", what: `${what}, for two minutes`, atMs: Date.now() })
      blind.add(what)
    }
    say(report("tally"))
  }),
]
say({ step: "following" })

async function conclude(): Promise<void> {
  say(await finish())
  await Promise.all([auditor.close(), ...watchers.map((watcher) => watcher[Symbol.asyncDispose]())])
  process.exit()
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
