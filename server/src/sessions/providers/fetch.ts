import { lookup } from "node:dns/promises"
import { type IncomingMessage, request as requestPlain } from "node:http"
import { request as requestTls } from "node:https"
import { isIP, type LookupFunction } from "node:net"
import type { CustomFetch } from "openid-client"
import { parseJson } from "#kernel"
import { mayConnect, type Network } from "./addresses.ts"

/** Nothing that can be believed came back: no address, no connection, too late, too much. For the log; bodies are never in it. */
export class Unreachable extends Error {}

/** Where a name leads: every address, or none. */
export type Resolve = (host: string) => Promise<{ address: string; family: number }[]>

/** What a provider may be asked by. */
export type FetchParts = {
  network: Network
  /** PEM of the authority that signs the provider's certificate. */
  ca?: string | undefined
  resolve?: Resolve
  maxBytes?: number
  timeoutMs?: number
}

/** An answer of a provider is JSON of some kilobytes. */
const MAX_BYTES = 256 * 1024
const TIMEOUT_MS = 5_000

const resolveAll: Resolve = (host) => lookup(host, { all: true, verbatim: true })

/**
 * Fetches what a provider's configuration or metadata names, and nothing that the name only pretends to be: https (http for
 * loopback alone), at an address that is resolved once, judged, and connected to; no redirect, a bound for bytes and for the time
 * from the name's resolution to the last byte. Throws Unreachable.
 */
export function guardedFetch(parts: FetchParts): CustomFetch {
  const { network, maxBytes = MAX_BYTES, timeoutMs = TIMEOUT_MS } = parts
  return async (href, { method, headers, body, signal }) => {
    const url = URL.parse(href)
    if (url === null || !isAllowed(url, network)) throw new Unreachable("not a URL that a provider may be asked at")
    const late = AbortSignal.timeout(timeoutMs)
    const stop = signal === undefined ? late : AbortSignal.any([late, signal])
    try {
      const addresses = await Promise.race([pin(parts, url.hostname), aborted(stop)])
      const asked = connect(url, { parts, addresses, method, headers, body: bodyOf(body), stop })
      const answer = await Promise.race([asked, aborted(stop)])
      return await read(answer, maxBytes)
    } catch (cause) {
      if (cause instanceof Unreachable) throw cause
      throw new Unreachable(stop.aborted ? `no whole answer within ${timeoutMs} ms` : "no answer", { cause })
    }
  }
}

/** True for a URL that may be asked: the scheme fits the network, and nobody's name and password are in it. */
export function isAllowed({ protocol, username, password }: URL, network: Network): boolean {
  if (username !== "" || password !== "") return false
  return protocol === "https:" || (protocol === "http:" && network === "loopback")
}

/** The addresses of a host, of which each would do. One that would not, and none is taken: who answers so is not to be trusted. */
async function pin({ network, resolve = resolveAll }: FetchParts, hostname: string) {
  const host = hostname.replace(/^\[|\]$/g, "")
  const found = isIP(host) === 0 ? await resolve(host) : [{ address: host, family: isIP(host) }]
  if (found.length === 0) throw new Unreachable("the name has no address")
  if (!found.every(({ address }) => mayConnect(address, network))) {
    throw new Unreachable(`the name leads to an address where no provider of the network "${network}" is asked`)
  }
  return found
}

type Asked = {
  parts: FetchParts
  addresses: { address: string; family: number }[]
  method: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
  stop: AbortSignal
}

function connect(url: URL, { parts, addresses, method, headers, body, stop }: Asked): Promise<IncomingMessage> {
  // The name is not looked up again: between two answers it could change (DNS rebinding).
  const pinned: LookupFunction = (_, { all }, found) =>
    all === true ? found(null, addresses) : found(null, addresses[0]!.address, addresses[0]!.family)
  const options = {
    method,
    // What is not compressed cannot grow.
    headers: { ...headers, "accept-encoding": "identity", ...(body === undefined ? {} : lengthOf(body)) },
    lookup: pinned,
    agent: false,
    signal: stop,
    ...(parts.ca === undefined ? {} : { ca: parts.ca }),
  }
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:" ? requestTls(url, options, resolve) : requestPlain(url, options, resolve)
    request.on("error", reject)
    // Node says nothing of a connection that was handed over so and that nobody takes.
    request.on("upgrade", (_, socket) => {
      socket.destroy()
      reject(new Unreachable("the answer changes to another protocol"))
    })
    request.end(body)
  })
}

async function read(answer: IncomingMessage, maxBytes: number): Promise<Response> {
  const status = answer.statusCode ?? 0
  const refuse = (what: string): never => {
    answer.destroy()
    throw new Unreachable(what)
  }
  // RFC 9700 §4.11: where a redirect leads was judged by nobody.
  if (status < 200 || (status >= 300 && status < 400)) refuse(`the answer has status ${status}`)
  if ((answer.headers["content-encoding"] ?? "identity") !== "identity") refuse("the answer is compressed")
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) refuse(`the answer has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  const headers = new Headers()
  for (const name of ["content-type", "www-authenticate", "cache-control", "retry-after"]) {
    const value = answer.headers[name]
    if (typeof value === "string") headers.set(name, value)
  }
  const body = Buffer.concat(chunks)
  // The library reads some of them by a parser that takes the last of two members of one name, and rounds numbers.
  if (status < 300 && /\bjson\b/i.test(headers.get("content-type") ?? "")) requireOneMeaning(body)
  const hasBody = status !== 204 && status !== 205
  return new Response(hasBody ? body : null, { status, headers })
}

function requireOneMeaning(body: Buffer): void {
  try {
    if (body.length > 0) parseJson(new TextDecoder("utf-8", { fatal: true }).decode(body))
  } catch {
    // Without its cause, which may hold a piece of the answer.
    throw new Unreachable("the answer is no JSON, or two parsers may read it differently")
  }
}

function bodyOf(body: unknown): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined
  if (body instanceof Uint8Array) return body
  if (typeof body === "string" || body instanceof URLSearchParams) return body.toString()
  throw new Unreachable("only a form, a text or bytes are sent")
}

function lengthOf(body: string | Uint8Array): { "content-length": string } {
  return { "content-length": String(Buffer.byteLength(body)) }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  })
}
