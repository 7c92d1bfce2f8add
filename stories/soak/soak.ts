/**
 * A soak: mixed load on real parts, something killed every minute, and a separate program that reads the log and the
 * resources and says whether any invariant broke. README.md of this folder tells how to run and how to read it.
 *
 *     npm run soak -- --minutes 60
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import type { AgentOrder } from "./agent.ts"
import type { CheckOrder, CheckReport } from "./check.ts"
import { type Deployment, deploy } from "./deployment.ts"
import { agents, caps } from "./document.ts"
import { type Kill, openBreaker } from "./kills.ts"
import { openNotebook } from "./observations.ts"
import { operate } from "./operate.ts"
import { type Program, startProgram } from "./processes.ts"
import { type Chance, chanceFrom } from "./random.ts"
import { openTally } from "./tally.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    /** Seconds from one kill to the next. */
    every: { type: "string", default: "60" },
    /** Calls a second of all agents together. */
    rate: { type: "string", default: "24" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** From a session's end until nothing of it is at the resource, milliseconds, while everything is reachable. */
    bound: { type: "string", default: "2000" },
    folder: { type: "string", default: join(".safeconduct", "soak") },
  },
})
const [minutes, everySeconds, rate, seed, boundMs] = [
  Number(values.minutes),
  Number(values.every),
  Number(values.rate),
  Number(values.seed),
  Number(values.bound),
]
const folder = resolve(values.folder)
const notebooks = join(folder, `answers-${seed}`)
mkdirSync(notebooks, { recursive: true })
const chance = chanceFrom(seed)
const began = Date.now()
console.log(`soak: ${minutes} min, a kill every ${everySeconds} s, ${rate} calls/s, seed ${seed}; ${folder}`)

const interrupted = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort())
await using deployment = await deploy(join(folder, `servers-${seed}.log`))
const troubles: string[] = []
const checker = await startChecker(deployment)
const crew = await startAgents(deployment, chance)
const stop = new AbortController()
const operating = operate(
  deployment,
  chanceFrom(seed + 1),
  openNotebook(join(notebooks, "operator.ndjson")),
  stop.signal,
)
operating.catch((error: unknown) => troubles.push(`the operator's load broke off: ${String(error)}`))
checker.ended.then((how) => troubles.push(how))

const breaker = openBreaker(deployment, chance, crew.killOne)
const tallyOf = openTally(notebooks)
const kills: Kill[] = []
const untilMs = Date.now() + minutes * 60_000
let nextKillMs = Date.now() + everySeconds * 1_000
let nextLineMs = Date.now() + 60_000
while (Date.now() < untilMs && !interrupted.signal.aborted) {
  const restMs = Math.max(0, Math.min(nextKillMs, nextLineMs, untilMs) - Date.now())
  await delay(restMs, undefined, { signal: interrupted.signal }).catch(() => undefined)
  if (Date.now() >= nextKillMs) {
    const kill = await breaker.next()
    kills.push(kill)
    if (kill.readyMs === null) troubles.push(`not ready again after: ${kill.what}`)
    console.log(`  ${kill.what}; ready after ${kill.readyMs ?? "never"} ms`)
    // What took longer than it should does not make two kills at once of the next.
    nextKillMs = Math.max(nextKillMs + everySeconds * 1_000, Date.now() + 5_000)
  }
  if (Date.now() >= nextLineMs) {
    nextLineMs += 60_000
    progress()
  }
}

console.log("the load ends; what is left ends by itself")
stop.abort()
await operating.catch(() => undefined)
crew.stop()
const reported = checker.next<CheckReport>("report")
checker.tell("finish")
const report = await reported.catch((error: unknown) => {
  troubles.push(`the checker gave no report: ${String(error)}`)
  return checker.last<CheckReport>("tally") ?? null
})
troubles.push(...deployment.deaths, ...crew.bugs)
const isOk = report?.step === "report" && report.violationCount === 0 && troubles.length === 0
const whole = {
  isOk,
  seed,
  minutes,
  seconds: (Date.now() - began) / 1_000,
  rate,
  boundMs,
  kills,
  troubles,
  ...tallyOf(),
}
const path = join(folder, `report-${seed}.json`)
writeFileSync(path, `${JSON.stringify({ ...whole, checker: report }, null, 2)}\n`)
progress()
for (const { rule, what } of report?.violations.slice(0, 20) ?? []) console.log(`VIOLATION ${rule}: ${what}`)
for (const what of troubles) console.log(`TROUBLE ${what}`)
console.log(`${isOk ? "no invariant broke" : "FAILED"}: ${kills.length} kills, ${path}`)
process.exitCode = isOk ? 0 : 1

function progress(): void {
  const { answers, refusals } = tallyOf()
  const seen = checker.last<CheckReport>("tally")
  const minute = Math.round((Date.now() - began) / 60_000)
  const most = Object.entries(refusals)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 8)
    .map(([code, count]) => `${code} ${count}`)
  console.log(
    `min ${minute}: ${kills.length} kills, ${answers["decided"] ?? 0} decisions, ${answers["leased"] ?? 0} leases, ` +
      `${answers["ended"] ?? 0} ends; log ${seen?.entries ?? 0}, accounts ${seen?.accounts ?? 0} (${seen?.standing ?? 0} now), ` +
      `gone p99 ${seen?.gone.undisturbed.p99 ?? 0}/${seen?.gone.disturbed.p99 ?? 0} ms, ` +
      `violations ${seen?.violationCount ?? "?"}; refused: ${most.join(", ")}`,
  )
}

async function startChecker({ servers, vkey, joinToken, ownerUrls }: Deployment): Promise<Program> {
  const operators = { name: "checker", roles: ["auditor"] }
  const order: CheckOrder = {
    servers: servers.map(({ agentsUrl, webUrl }) => ({ agentsUrl, webUrl })),
    vkey,
    joinToken: await joinToken("/v1/agents/operators", operators),
    folder: join(deployment.folder, "checker"),
    resources: ownerUrls,
    notebooks,
    copy: join(folder, `log-${seed}.ndjson`),
    caps,
    bounds: { gone: boundMs, readBack: 250, lateConnection: 1_500 },
    afterTroubleMs: 12_000,
  }
  const program = startProgram("check", order, join(folder, `checker-${seed}.log`))
  await program.next("following")
  return program
}

/** A process for each agent, at the two servers by turns; a killed one comes again, with its identity or as another instance. */
async function startAgents({ servers, webUrl, joinToken }: Deployment, by: Chance) {
  const urls = servers.map(({ agentsUrl }) => agentsUrl) as [string, string]
  const bugs: string[] = []
  let isOver = false
  let lives = 0
  const start = async (nth: number, identity?: string) => {
    const name = agents[nth]!
    lives += 1
    const life = `${name}-${lives}`
    const order: AgentOrder = {
      seed: seed + lives,
      urls: nth % 2 === 0 ? urls : [urls[1], urls[0]],
      // Half of them do without a certificate for what the SDK does: tokens with proofs, through the balancer.
      ...(nth >= agents.length / 2 && { webUrl }),
      folder: identity ?? join(deployment.folder, life),
      ...(identity === undefined && { joinToken: await joinToken(`/v1/agents/${name}/join-tokens`) }),
      notebook: join(notebooks, `${life}.ndjson`),
      resources: Object.keys(deployment.resources),
      leasesPerSession: caps.leasesPerSession,
      rate: rate / agents.length,
    }
    const program = startProgram("agent", order, join(folder, `agents-${seed}.log`))
    void program.ended.then((how) => {
      if (!isOver && !how.includes("SIGKILL")) bugs.push(`${life}: ${how}`)
    })
    await program.next("working")
    return { program, identity: order.folder }
  }
  const running = await Promise.all(agents.map((_, nth) => start(nth)))
  return {
    bugs,
    killOne: async () => {
      const nth = by.between(0, agents.length - 1)
      const { program, identity } = running[nth]!
      program.signal("SIGKILL")
      await program.ended
      const isSame = by.next() < 0.5
      running[nth] = await start(nth, isSame ? identity : undefined)
      return `agent ${agents[nth]} killed, ${isSame ? "the same instance" : "another instance"} comes`
    },
    stop() {
      isOver = true
      for (const { program } of running) program.signal("SIGKILL")
    },
  }
}
