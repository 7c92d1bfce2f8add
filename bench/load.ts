/**
 * Load in a process of its own: so many clients, each on a connection of its own, each with one request under way. It
 * is told by the environment whom to ask as whom, and by lines of JSON what to ask, and answers each with what it saw. It
 * writes requests as bytes and reads no more of an answer than it must, because it shares the machine with the server.
 */
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { connect, type TLSSocket } from "node:tls"

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

/** What came of it. `waits` are milliseconds per request, ascending; `refused` counts answers other than 2xx. */
export type Seen = { count: number; seconds: number; p50Ms: number; p99Ms: number; refused: number; cpuMs: number }

const { LOAD_URL: url, LOAD_FOLDER: folder } = process.env
const { hostname, port } = new URL(url!)
const pem = (name: string) => readFileSync(`${folder}/${name}.pem`, "utf8")
const identity = { key: pem("key"), cert: pem("svid"), ca: pem("bundle") }
const clients: Client[] = []

tell("ready", {})
for await (const line of createInterface(process.stdin)) {
  const order = JSON.parse(line) as Order
  while (clients.length < order.clients) clients.push(await openClient())
  tell(order.name, await play(order))
}

async function play({ clients: count, seconds, path, bodies, most = Infinity }: Order): Promise<Seen> {
  const requests = bodies.map((body) => requestOf(path, body))
  const waits: number[] = []
  const cpu = process.cpuUsage()
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1_000
  let refused = 0
  let begun = 0
  const run = async (client: Client, nth: number) => {
    for (let at = nth, fromMs = performance.now(); fromMs < endMs && begun++ < most; at++) {
      const status = await client.ask(requests[at % requests.length]!)
      if (status > 299) refused++
      const nowMs = performance.now()
      waits.push(nowMs - fromMs)
      fromMs = nowMs
    }
  }
  await Promise.all(clients.slice(0, count).map(run))
  const tookSeconds = (performance.now() - beganMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  waits.sort((a, b) => a - b)
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]!
  return {
    count: waits.length,
    seconds: tookSeconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    refused,
    cpuMs: (user + system) / 1_000,
  }
}

function requestOf(path: string, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n`
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

type Client = { ask(request: Buffer): Promise<number> }

/** One connection, one request at a time. */
async function openClient(): Promise<Client> {
  // The server is named by its SPIFFE ID and not by its host; that is the SDK's to check.
  const socket: TLSSocket = connect({
    host: hostname,
    port: Number(port),
    minVersion: "TLSv1.3",
    checkServerIdentity: () => undefined,
    ...identity,
  })
  socket.setNoDelay(true)
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject))
  let answered: (status: number) => void = () => undefined
  let failed: (error: Error) => void = () => undefined
  let received = ""
  socket.on("data", (part: Buffer) => {
    received += part.toString("latin1")
    if (!isWhole(received)) return
    const status = Number(received.slice(9, 12))
    received = ""
    answered(status)
  })
  socket.on("error", (error) => failed(error))
  socket.on("close", () => failed(new Error("the server closed the connection")))
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        ;[answered, failed] = [resolve, reject]
        socket.write(request)
      }),
  }
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n")
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1]
  if (length === undefined) return text.endsWith("\r\n0\r\n\r\n")
  return text.length >= headEnd + 4 + Number(length)
}

function tell(step: string, facts: object): void {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`)
}
