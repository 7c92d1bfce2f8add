import { Agent as PlainAgent } from "node:http"
import { Agent } from "node:https"
import type { Socket } from "node:net"
import { errorFromAnswer, errorFromTokenAnswer, SafeconductError } from "./errors.ts"
import { type Call, type Exchange, exchange, type HeadersFor } from "./exchange.ts"
import { type Identity, peerOf } from "./identity.ts"
import { retireAgent } from "./pool.ts"
import { createProver } from "./proof.ts"
import { sending, skewOf, type Transport } from "./transport.ts"

/** Whom to ask, and as whom. */
export type WebOptions = {
  /** The server's public URL, its issuer: https, or http on this machine. */
  url: string
  /** Roots that the certificate of whoever ends TLS there must lead to, PEM; this machine's own unless told. */
  ca?: string
  identity: Identity
}

const MAX_CONNECTIONS = 64
/** A token is good for at least as long when it is sent. */
const SHORTEST_TOKEN_MS = 10_000
/** Challenges that are answered before giving up: more come only where each request meets another server. */
const MAX_CHALLENGES = 4
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
const METADATA_PATH = "/.well-known/oauth-authorization-server"
const TOKEN_PATH = "/oauth2/token"

type Held = { token: string; untilMs: number }

/**
 * Over the server's public URL, where something in between ends TLS and no certificate of ours arrives: each request
 * carries an access token and a DPoP proof (RFC 9449) by the enrolled key. The server there is who its certificate says,
 * as for any web site. Tokens are fetched with client assertions (RFC 7523) when they are needed, one for opening sessions
 * and one for each session. Throws `not-configured` for a URL that is not https.
 */
export function openWebTransport({ url, ca, identity }: WebOptions): Transport {
  const { origin } = new URL(url)
  const agent = agentFor(new URL(url), ca)
  const prover = createProver(identity.privateKey)
  const tokens = new Map<string | undefined, Held>()
  const fetching = new Map<string | undefined, Promise<Held>>()
  let peer = { ...peerOf(identity), url: origin }
  let issuer: Promise<string> | undefined
  /** A nonce is one server's, and a connection leads to one server, unless requests are balanced one by one. */
  const nonces = new WeakMap<Socket, string>()
  let newest: string | undefined
  let skewMs = 0

  const ask = async (call: Parameters<typeof exchange>[2], headersFor?: HeadersFor): Promise<Exchange> => {
    const answer = await exchange(agent, origin, call, headersFor)
    if (answer.nonce !== undefined) {
      newest = answer.nonce
      nonces.set(answer.socket, newest)
    }
    skewMs = skewOf(answer) ?? skewMs
    return answer
  }
  const proofFor = ({ method, path }: Pick<Call, "method" | "path">, socket: Socket, token?: string) => {
    const nonce = nonces.get(socket) ?? newest
    const known = { ...(nonce !== undefined && { nonce }), ...(token !== undefined && { token }) }
    return prover.proof({ method, url: origin + path, nowMs: Date.now() + skewMs, ...known })
  }
  const findIssuer = async (): Promise<string> => {
    const { status, contentType, bytes } = await ask({ method: "GET", path: METADATA_PATH })
    if (status !== 200) throw errorFromAnswer(status, contentType, bytes.toString("utf8"))
    const named = (readJson(bytes) as { issuer?: unknown } | null)?.issuer
    // RFC 8414 §3.3: who answers must be who was asked, or an assertion for one server could be made for another.
    if (typeof named === "string" && URL.canParse(named) && new URL(named).origin === origin) return named
    throw new SafeconductError("not-configured", `The server at ${origin} calls itself ${String(named)}. Use that URL.`)
  }
  const postForm = async (path: string, fields: Record<string, string>): Promise<Exchange> => {
    issuer ??= findIssuer().catch((error: unknown) => {
      issuer = undefined
      throw error
    })
    const audience = await issuer
    const call = { method: "POST", path } as const
    for (let challenges = 0; ; challenges++) {
      // New for each try: what a server has seen once it does not take again.
      const assertion = prover.assertion({ client: identity.spiffeId, audience, nowMs: Date.now() + skewMs })
      const form = { ...fields, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion }
      const answer = await ask({ ...call, form }, (socket) => ({ dpop: proofFor(call, socket) }))
      if (answer.status === 200 || challenges >= MAX_CHALLENGES) return answer
      const { error } = (readJson(answer.bytes) ?? {}) as { error?: unknown }
      if (error !== "use_dpop_nonce") return answer
    }
  }
  const fetchToken = async (session: string | undefined): Promise<Held> => {
    const { status, contentType, bytes } = await postForm(TOKEN_PATH, {
      grant_type: "client_credentials",
      ...(session !== undefined && { safeconduct_session: session }),
    })
    const answer = readJson(bytes) as { access_token?: string; expires_in?: number } | null
    if (status === 200 && typeof answer?.access_token === "string") {
      return { token: answer.access_token, untilMs: Date.now() + (answer.expires_in ?? 0) * 1000 }
    }
    throw errorFromTokenAnswer(status, contentType, bytes.toString("utf8"))
  }
  const tokenFor = async (session: string | undefined): Promise<string> => {
    const held = tokens.get(session)
    if (held !== undefined && held.untilMs - Date.now() > SHORTEST_TOKEN_MS) return held.token
    tokens.delete(session)
    const running = fetching.get(session) ?? fetchToken(session).finally(() => fetching.delete(session))
    fetching.set(session, running)
    const fetched = await running
    forgetOld(tokens)
    tokens.set(session, fetched)
    return fetched.token
  }
  const exchangeOnce = async (call: Call): Promise<Exchange> => {
    for (let challenges = 0, tokensTried = 0; ; ) {
      const token = await tokenFor(call.session).catch(beforeSending)
      const answer = await ask(call, (socket) => ({
        authorization: `DPoP ${token}`,
        dpop: proofFor(call, socket, token),
      }))
      const error = answer.status === 401 ? /error="(\w+)"/.exec(answer.challenge ?? "")?.[1] : undefined
      if (error === "use_dpop_nonce" && challenges++ < MAX_CHALLENGES) continue
      if (error !== "invalid_token" || tokensTried++ > 0) return answer
      // Its key was retired, or it ended by the server's clock: another one may do, once.
      if (tokens.get(call.session)?.token === token) tokens.delete(call.session)
    }
  }

  return sending(exchangeOnce, {
    setPeer(next) {
      peer = { ...next, url: origin }
    },
    get peer() {
      return peer
    },
    // The key stays the same for good.
    binding: prover.jkt,
    keepToken(session, token, untilMs) {
      forgetOld(tokens)
      tokens.set(session, { token, untilMs })
    },
    postForm,
    retire: () => retireAgent(agent),
  })
}

/** Nothing of the call itself was sent: it may be repeated, whatever it does. */
function beforeSending(error: unknown): never {
  if (!(error instanceof SafeconductError) || !error.isRetryable) throw error
  const { code, message, status, isRetryable, detail } = error
  throw new SafeconductError(code, message, {
    status,
    isRetryable,
    detail: { ...detail, wasSent: false },
    cause: error,
  })
}

function forgetOld(tokens: Map<string | undefined, Held>): void {
  for (const [session, { untilMs }] of tokens) if (untilMs < Date.now()) tokens.delete(session)
}

function agentFor({ protocol, hostname }: URL, ca: string | undefined): Agent | PlainAgent {
  const kept = { keepAlive: true, maxSockets: MAX_CONNECTIONS }
  if (protocol === "https:") return new Agent({ ...kept, ...(ca !== undefined && { ca }) })
  // A token without its key opens nothing, but what comes back may be a password.
  const isHere = protocol === "http:" && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  if (isHere) return new PlainAgent(kept)
  throw new SafeconductError("not-configured", "The server's public URL must begin with https://.")
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch {
    return null
  }
}
