import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto"
import { createRequest } from "./csr.ts"
import { SafeconductError } from "./errors.ts"
import { unreachable } from "./exchange.ts"
import { assemble, type Identity, type Issued, saveIdentity } from "./identity.ts"
import type { Peer } from "./pool.ts"
import { trustDomainOf } from "./spiffe.ts"
import { openTransport } from "./transport.ts"

/** A deployment as its public URL tells of it: who vouches for that URL vouches for the agents' listener and its roots. */
export type Deployment = { issuer: string; peer: Peer }

const TIMEOUT_MS = 10_000
const MAX_CHARACTERS = 262_144

/**
 * Where the agents' listener of a deployment is, and which roots it has, asked of its public URL over TLS that Node trusts; without
 * TLS on this machine only. Throws `not-configured`, `server-not-trusted`, `unreachable`.
 */
export async function findDeployment(webUrl: string): Promise<Deployment> {
  const base = baseOf(webUrl)
  const metadata = await fetchJson(`${base}/.well-known/oauth-authorization-server`)
  const { issuer, mtls_endpoint_aliases: aliases } = metadata as { issuer?: string; mtls_endpoint_aliases?: object }
  // RFC 8414 §3.3: whoever answers in another's name is not who was asked.
  if (issuer !== base && issuer !== `${base}/`) throw untrusted(`Its public URL is ${String(issuer).slice(0, 200)}.`)
  const { token_endpoint: alias } = (aliases ?? {}) as { token_endpoint?: string }
  const agents = typeof alias === "string" ? URL.parse(alias) : null
  if (agents?.protocol !== "https:") throw untrusted("It does not say where its agents' listener is.")
  const roots = rootsOf(await fetchJson(`${base}/v1/agents/bundle`))
  const [first] = roots
  if (first === undefined) throw untrusted("It has no root.")
  const bundle = roots.map((root) => root.toString()).join("")
  return { issuer, peer: { url: agents.origin, trustDomain: trustDomainOf(first), bundle } }
}

/** What a command line asks with: the challenge goes to the server with the browser, the verifier with the code (RFC 7636). */
export function newChallenge(): { verifier: string; challenge: string; state: string } {
  const verifier = randomBytes(32).toString("base64url")
  const challenge = createHash("sha256").update(verifier).digest("base64url")
  return { verifier, challenge, state: randomBytes(16).toString("base64url") }
}

/** RFC 8628 §6.1 */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

/** What the page in the browser shows as well, so that people see whether the two belong together. */
export function comparedText(challenge: string): string {
  const digest = createHash("sha256").update(`safeconduct operator sign-in ${challenge}`).digest()
  const letters = [...digest.subarray(0, 8)].map((byte) => LETTERS[byte % LETTERS.length])
  return `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`
}

/**
 * Makes an EC P-256 key, lets the server certify it for the operator whose sign-in the code is of, and keeps both in the folder. An
 * answer that is lost is asked for again with the same key, which is the same instance. Throws `grant-invalid`, and what the transport throws.
 */
export async function redeemSignIn(
  { peer }: Deployment,
  { code, verifier, folder }: { code: string; verifier: string; folder: string },
): Promise<Identity> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  using transport = openTransport(peer)
  const issued = await transport.json<Issued>({
    method: "POST",
    path: "/v1/agents/operators/sign-ins",
    body: { code, codeVerifier: verifier, csr: createRequest(privateKey) },
    isRepeatable: true,
  })
  const identity = assemble(folder, peer.url, privateKey, issued)
  // A crash here leaves an instance whose key is gone; its SVID ends within the hour.
  await saveIdentity(identity)
  return identity
}

function baseOf(webUrl: string): string {
  const url = URL.parse(webUrl)
  const isHere = url?.protocol === "http:" && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url !== null && (url.protocol === "https:" || isHere) && url.search === "" && url.hash === "") {
    return url.href.replace(/\/$/, "")
  }
  throw new SafeconductError("not-configured", "The public URL begins with https://, or on this machine with http://.")
}

async function fetchJson(url: string): Promise<object> {
  let answer: Response
  try {
    // Somewhere else nobody was asked to vouch.
    answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (error) {
    throw unreachable(error as Error, new URL(url).origin)
  }
  const text = answer.ok ? await answer.text() : ""
  try {
    const value: unknown = text.length > MAX_CHARACTERS ? null : JSON.parse(text)
    if (typeof value === "object" && value !== null) return value
  } catch {
    // Said below.
  }
  throw untrusted("What answers there is not Safeconduct.")
}

/** SPIFFE-Trust-Domain-and-Bundle §4.2. */
function rootsOf(bundle: object): X509Certificate[] {
  const { keys } = bundle as { keys?: { use?: string; x5c?: string[] }[] }
  if (!Array.isArray(keys)) return []
  try {
    const own = keys.filter(({ use, x5c }) => use === "x509-svid" && x5c?.length === 1)
    return own.map(({ x5c }) => new X509Certificate(Buffer.from(x5c![0]!, "base64")))
  } catch (cause) {
    throw untrusted("Its roots cannot be read.", cause)
  }
}

function untrusted(why: string, cause?: unknown): SafeconductError {
  return new SafeconductError("server-not-trusted", `${why} Nothing was sent to it.`, { cause })
}
