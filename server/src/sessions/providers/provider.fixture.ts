import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose"
import { LOGOUT_EVENT } from "./id-token.ts"
import type { Algorithm } from "./profiles.ts"

/** What was asked of a fake provider. */
export type Asked = { method: string; path: string; query: URLSearchParams; form: URLSearchParams; headers: Headers }

/** What it answers with: JSON unless it is a text. */
export type Answer = { status?: number; headers?: Record<string, string>; body?: unknown }

/** A key of a provider: `jwk` is its public part. */
export type FakeKey = { kid: string; alg: Algorithm; jwk: JWK; privateKey: CryptoKey }

/** A provider on this machine that says what a test lets it say, signed by jose. */
export interface FakeProvider extends AsyncDisposable {
  issuer: string
  key: FakeKey
  /** What discovery and the key set answer; changed by tests. */
  metadata: Record<string, unknown>
  jwks: { keys: unknown[] }
  /** What else is answered, by path; comes before the two above. */
  answers: Map<string, (asked: Asked) => Answer | Promise<Answer>>
  asked: Asked[]
  /** How often a path was asked for. */
  count(path: string): number
  sign(claims: JWTPayload, header?: Record<string, unknown>, key?: FakeKey): Promise<string>
}

/** Seconds since the Unix epoch. */
export const seconds = () => Math.floor(Date.now() / 1000)

/** Makes a key of that name. */
export async function newKey(kid: string, alg: Algorithm = "ES256"): Promise<FakeKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } }
}

/** Starts one; `path` follows the address in its issuer, as a tenant's name does. */
export async function startFakeProvider(path = "", alg: Algorithm = "ES256"): Promise<FakeProvider> {
  const key = await newKey("key-1", alg)
  const asked: Asked[] = []
  const answers: FakeProvider["answers"] = new Map()
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1")
    const body = (await request.toArray()).join("")
    const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const each = { method: request.method ?? "", path: pathname, query: searchParams, form: new URLSearchParams(body) }
    asked.push({ ...each, headers })
    const answer = (await answers.get(pathname)?.(asked.at(-1)!)) ?? { status: 404, body: "nothing here" }
    const isText = typeof answer.body === "string"
    response.writeHead(answer.status ?? 200, {
      "content-type": isText ? "text/plain" : "application/json",
      ...answer.headers,
    })
    response.end(isText ? answer.body : JSON.stringify(answer.body ?? {}))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  const base = issuer.replace(/\/$/, "")
  const fake: FakeProvider = {
    issuer,
    key,
    metadata: {
      issuer,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: `${base}/token`,
      jwks_uri: `${base}/jwks`,
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    },
    jwks: { keys: [key.jwk] },
    answers,
    asked,
    count: (wanted) => asked.filter((each) => each.path === new URL(base).pathname.replace(/\/$/, "") + wanted).length,
    sign: (claims, header = {}, by = key) =>
      new SignJWT(claims).setProtectedHeader({ alg: by.alg, kid: by.kid, ...header }).sign(by.privateKey),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
  const prefix = new URL(base).pathname.replace(/\/$/, "")
  answers.set(`${prefix}/.well-known/openid-configuration`, () => ({ body: fake.metadata }))
  answers.set(`${prefix}/jwks`, () => ({ body: fake.jwks }))
  return fake
}

/** Claims of an ID token that is right for that client. */
export function idClaims({ issuer }: FakeProvider, more: JWTPayload = {}): JWTPayload {
  return { iss: issuer, sub: "alice", aud: "safeconduct", iat: seconds(), exp: seconds() + 300, ...more }
}

/** Claims of a logout token that is right for that client. */
export function logoutClaims({ issuer }: FakeProvider, more: JWTPayload = {}): JWTPayload {
  const about = { sub: "alice", sid: "session-1", jti: crypto.randomUUID(), events: { [LOGOUT_EVENT]: {} } }
  return { iss: issuer, aud: "safeconduct", iat: seconds(), exp: seconds() + 120, ...about, ...more }
}
