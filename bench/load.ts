/**
 * Load in a process of its own: so many clients, each on a connection of its own, each with one request under way. It
 * is told by the environment whom to ask as whom, and by lines of JSON what to ask, and answers each with what it saw. It
 * writes requests as bytes, because it shares the machine with the server.
 */
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { type Client, openClient, requestOf } from "./client.ts"
import { quantile } from "./measure.ts"
import { openProving, type Proving } from "./proofs.ts"
import { tell } from "./usage.ts"

/** A round of load: `bodies` by client, one after another and again from the first. */
export type Order = {
  name: string
  clients: number
  seconds: number
  path: string
  bodies: string[]
  /** Ends after that many requests, if that is sooner. */
  most?: number
}

/** What came of it; `refused` counts answers other than 2xx. */
export type Seen = { count: number; seconds: number; p50Ms: number; p99Ms: number; refused: number; cpuMs: number }

const { LOAD_URL: url = "", LOAD_FOLDER: folder, LOAD_ISSUER: issuer } = process.env
const pem = (name: string) => readFileSync(`${folder}/${name}.pem`, "utf8")
const identity = { key: pem("key"), cert: pem("svid"), ca: pem("bundle") }
const clients: Client[] = []
const proving = issuer === undefined ? undefined : await prove(issuer)

tell("ready", {})
for await (const line of createInterface(process.stdin)) {
  const order = JSON.parse(line) as Order
  while (clients.length < order.clients) clients.push(await openClient(url, identity))
  tell(order.name, await play(order))
}

/** With an issuer, everybody says who they are by token and proof. */
async function prove(asIssuer: string): Promise<Proving> {
  const { spiffeId } = JSON.parse(readFileSync(`${folder}/identity.json`, "utf8")) as { spiffeId: string }
  const sessions = process.env["LOAD_SESSIONS"]!.split(" ")
  const client = await openClient(url, identity)
  return await openProving(client, { url, issuer: asIssuer, key: identity.key, spiffeId, sessions })
}

async function play({ clients: count, seconds, path, bodies, most = Infinity }: Order): Promise<Seen> {
  const fixed = bodies.map((body) => Buffer.from(requestOf(url, path, body, "content-type: application/json\r\n")))
  const request = (at: number) => {
    const nth = at % bodies.length
    return proving === undefined ? fixed[nth]! : proving.request(path, bodies[nth]!)
  }
  const waits: number[] = []
  const cpu = process.cpuUsage()
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1_000
  let refused = 0
  let begun = 0
  const run = async (client: Client, first: number) => {
    for (let at = first, fromMs = performance.now(); fromMs < endMs && begun++ < most; at++) {
      let answer = await client.ask(request(at))
      proving?.learn(answer)
      // A nonce lives for two minutes: whoever paused is told the next one, and asks again (RFC 9449 §8.1).
      if (answer.text.includes("use_dpop_nonce")) answer = await client.ask(request(at))
      if (answer.status > 299) refused++
      const nowMs = performance.now()
      waits.push(nowMs - fromMs)
      fromMs = nowMs
    }
  }
  await Promise.all(clients.slice(0, count).map(run))
  const tookSeconds = (performance.now() - beganMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  waits.sort((a, b) => a - b)
  return {
    count: waits.length,
    seconds: tookSeconds,
    p50Ms: quantile(waits, 0.5),
    p99Ms: quantile(waits, 0.99),
    refused,
    cpuMs: (user + system) / 1_000,
  }
}
