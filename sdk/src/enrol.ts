import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  timingSafeEqual,
  type X509Certificate,
} from "node:crypto"
import { readFile, rm } from "node:fs/promises"
import { connect as connectTls } from "node:tls"
import { createRequest } from "./csr.ts"
import { SafeconductError } from "./errors.ts"
import { unreachable } from "./exchange.ts"
import { inFolder, makePrivateFolder, writeAtomically } from "./files.ts"
import { assemble, type Identity, type Issued, saveIdentity } from "./identity.ts"
import { trustDomainOf } from "./spiffe.ts"
import { openTransport } from "./transport.ts"

/** What an enrolment needs. */
export type Enrolment = {
  /** Of the agents' listener, https. */
  url: string
  /** `<256 random bits>.<SHA-256 of the root>`, used once. */
  joinToken: string
  /** Where the identity is to be kept; made when missing. */
  folder: string
}

/**
 * Makes an EC P-256 key, lets the server certify it, and keeps both in the folder. Nothing is sent before the server has
 * shown a chain to the root whose hash stands in the join token, with its own SPIFFE ID at the end of it. The same token
 * with the same folder again, after whatever went wrong, is the same instance, while the token lives. Throws
 * `server-not-trusted`, `join-token-invalid`, and what the transport throws.
 */
export async function enrol({ url, joinToken, folder }: Enrolment): Promise<Identity> {
  const root = await findRoot(url, rootHashOf(joinToken))
  const { privateKey, path } = await keyFor(folder, joinToken)
  // A connection of its own, on which OpenSSL checks the whole path to that root before a byte of ours is written.
  using transport = openTransport({ url, trustDomain: trustDomainOf(root), bundle: root.toString() })
  const issued = await transport.json<Issued>({
    method: "POST",
    path: "/v1/agents/enrolments",
    body: { token: joinToken, csr: createRequest(privateKey) },
    // The server knows token and key again, and answers with the same instance.
    isRepeatable: true,
  })
  const identity = assemble(folder, url, privateKey, issued)
  // A crash here leaves a spent join token and its key: the next start asks again with both.
  await saveIdentity(identity)
  await rm(path, { force: true })
  return identity
}

/** The key to use the token with. It is kept before anything is sent: the token works for no other key afterwards. */
async function keyFor(folder: string, joinToken: string): Promise<{ privateKey: KeyObject; path: string }> {
  await makePrivateFolder(folder)
  const path = inFolder(folder, `joining-${createHash("sha256").update(joinToken).digest("hex").slice(0, 16)}.pem`)
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    return null
  })
  if (kept !== null) return { privateKey: createPrivateKey(kept), path }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  await writeAtomically(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600)
  return { privateKey, path }
}

/** SHA-256 of the root, from the part of a join token after its dot. Throws `join-token-invalid`. */
export function rootHashOf(joinToken: string): Buffer {
  const match = /^[A-Za-z0-9_-]{43}\.([A-Za-z0-9_-]{43})$/.exec(joinToken)
  if (match === null) {
    throw new SafeconductError("join-token-invalid", "That is not a join token. Copy it whole, with the dot in it.")
  }
  return Buffer.from(match[1]!, "base64url")
}

/** Shakes hands, writes nothing, hangs up: the certificate in the presented chain that has the hash. The rest is not believed. */
async function findRoot(url: string, rootHash: Buffer): Promise<X509Certificate> {
  const chain = await presentedChain(new URL(url))
  const root = chain.find(({ raw }) => timingSafeEqual(createHash("sha256").update(raw).digest(), rootHash))
  if (root !== undefined) return root
  const message = "The server's chain does not end in the root that the join token names. Nothing was sent to it."
  throw new SafeconductError("server-not-trusted", message)
}

const HANDSHAKE_TIMEOUT_MS = 10_000
const MAX_CHAIN = 5

function presentedChain({ protocol, hostname, port, origin }: URL): Promise<X509Certificate[]> {
  if (protocol !== "https:") {
    throw new SafeconductError("not-configured", "The server's URL must begin with https://.")
  }
  const host = hostname.replace(/^\[|\]$/g, "")
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port: Number(port || 443),
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      minVersion: "TLSv1.3",
      // What is presented is compared with the join token's hash; it is not trusted by this connection.
      rejectUnauthorized: false,
    })
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => {
      socket.destroy(new SafeconductError("timeout", "The server does not shake hands.", { isRetryable: true }))
    })
    socket.once("error", (error) => reject(unreachable(error, origin)))
    socket.once("secureConnect", () => {
      const chain: X509Certificate[] = []
      let next = socket.getPeerX509Certificate()
      while (next !== undefined && chain.length < MAX_CHAIN) {
        chain.push(next)
        next = next.issuerCertificate
      }
      socket.destroy()
      resolve(chain)
    })
  })
}
