import { start } from "../../stories/fixtures/child.ts"
import type { Aim, Figure } from "../figure.ts"
import { type Load, openBenchGround, toolActions } from "../ground.ts"
import type { Seen } from "../load.ts"
import { openBenchLog } from "../log.ts"
import { callersOf, progress, type Round, show, showSpread, spreadOf } from "../measure.ts"
import { readProfile } from "../profile.ts"
import { ask, type Usage } from "../usage.ts"

const CLIENTS = [1, 32, 64]
/** The token endpoint bounds what one address asks of it at once. */
const PROVING_SESSIONS = 32
/** Bytes of an answer that holds a verdict. */
const ANSWER_BYTES = 700
const PATH = "/v1/actions"

/** Decisions per second, over mutual TLS. */
export const decisions: Figure = {
  name: "decisions",
  title: "Decisions with durable audit",
  what: `POST /v1/actions for a tool under 100 policies: one process of \`serve\` on PostgreSQL that syncs, asked by another process over
that many connections. Floors: Node's own HTTPS server that parses a body and answers as many bytes, asked in the same way; the
log's group commit alone, called as often at once in one process. By DPoP it is plain HTTP on this machine, as from a load balancer that
ended TLS, and each request has a token and a proof that the asking process signs.`,
  async measure(pace) {
    await using ground = await openBenchGround()
    await using log = await openBenchLog()
    const load = await ground.load(CLIENTS.at(-1)!)
    await using echo = start("../../bench/echo", { ECHO_FOLDER: load.folder, ECHO_BYTES: String(ANSWER_BYTES) })
    const { url } = await echo.said<{ url: string }>("serving")
    const floor = await ground.load(1, { url })
    const proving = await ground.load(PROVING_SESSIONS, { isByProof: true })
    const order = { path: PATH, bodies: toolActions(load.sessions) }
    progress("decisions: warming up")
    await load.play({ ...order, clients: 64, seconds: pace.isQuick ? 2 : 6 })
    const rounds: Rounds[] = []
    for (const clients of CLIENTS) {
      progress(`decisions: ${clients} clients`)
      const seen: Rounds = { by: "mTLS", clients, ours: [], echo: [], log: [] }
      for (let round = 0; round < pace.rounds; round++) {
        seen.ours.push(await withCpu(ground.usage, load, { ...order, clients, seconds: pace.seconds }))
        const usage = () => ask<Usage>(echo, "usage")
        seen.echo.push(await withCpu(usage, floor, { ...order, clients, seconds: pace.seconds / 2 }))
        seen.log.push(await callersOf(clients, pace.seconds / 2, log.commit))
      }
      rounds.push(seen)
    }
    const byProof: Rounds = { by: "DPoP", clients: 64, ours: [], echo: [], log: [] }
    progress("decisions: 64 clients with DPoP")
    const proven = { path: PATH, bodies: toolActions(proving.sessions), clients: 64, seconds: pace.seconds }
    for (let round = 0; round < pace.rounds; round++) byProof.ours.push(await withCpu(ground.usage, proving, proven))
    progress("decisions: profile")
    const file = await ground.profiled(() => load.play({ ...order, clients: 64, seconds: pace.seconds }))
    progress(`decisions: the profile stays in ${file}`)
    return {
      columns: [
        "by",
        "clients",
        "decisions/s",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "echo/s",
        "echo p99",
        "echo CPU µs",
        "log/s",
        "log p99",
      ],
      rows: [...rounds, byProof].map(rowOf),
      aims: aimsOf(rounds.at(-1)!),
      notes: ["Where the server's time goes at 64 clients, by profile:", ...profileLines(file)],
    }
  },
}

type Rounds = { by: string; clients: number; ours: Measured[]; echo: Measured[]; log: Round[] }

/** What the asking process saw, with what the asked one took of the processor. */
type Measured = Seen & { cpuUs: number }

type Order = Parameters<Load["play"]>[0]

async function withCpu(usage: () => Promise<Usage>, load: Load, order: Order): Promise<Measured> {
  const before = await usage()
  const seen = await load.play(order)
  const after = await usage()
  if (seen.refused > 0) throw new Error(`${seen.refused} of ${seen.count} requests were refused`)
  return { ...seen, cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / seen.count }
}

function rowOf({ by, clients, ours, echo, log }: Rounds): string[] {
  const of = <T>(rounds: readonly T[], value: (round: T) => number) => spreadOf(rounds.map(value))
  const floors = () => [
    showSpread(of(echo, rate)),
    show(of(echo, ({ p99Ms }) => p99Ms).median),
    show(of(echo, ({ cpuUs }) => cpuUs).median),
    showSpread(of(log, ({ perSecond }) => perSecond)),
    show(of(log, ({ p99Ms }) => p99Ms).median),
  ]
  return [
    by,
    String(clients),
    showSpread(of(ours, rate)),
    show(of(ours, ({ p50Ms }) => p50Ms).median),
    showSpread(of(ours, ({ p99Ms }) => p99Ms)),
    showSpread(of(ours, ({ cpuUs }) => cpuUs)),
    ...(echo.length > 0 ? floors() : ["", "", "", "", ""]),
  ]
}

function rate({ count, seconds }: Seen): number {
  return count / seconds
}

function aimsOf({ ours }: Rounds): Aim[] {
  const perSecond = spreadOf(ours.map(rate)).median
  const p99Ms = spreadOf(ours.map((seen) => seen.p99Ms)).median
  return [
    { aim: "at least 4,000 decisions/s at 64 clients", value: show(perSecond), isReached: perSecond >= 4_000 },
    { aim: "p99 of at most 20 ms at 64 clients", value: `${show(p99Ms)} ms`, isReached: p99Ms <= 20 },
  ]
}

function profileLines(file: string): string[] {
  return readProfile(file)
    .filter(({ share }) => share >= 0.02)
    .map(({ part, share, top }) => `${(100 * share).toFixed(1)} % ${part} (${top.slice(0, 3).join(", ")})`)
}
