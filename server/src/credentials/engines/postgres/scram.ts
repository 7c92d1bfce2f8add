import { createHash, createHmac, pbkdf2, pbkdf2Sync } from "node:crypto"
import { promisify } from "node:util"
import { base64url, random, Secret } from "#kernel"

const derive = promisify(pbkdf2)

/** What PostgreSQL stores for a password: enough to check a login, not to make one. */
export type Verifier = string

/** How much the password is stretched; the salt is random unless given. */
export type ScramOptions = {
  /** 4096 is RFC 7677 §4's least for passwords that people choose; 1 is sound for random ones only. */
  iterations: number
  salt?: Uint8Array
}

/** A new password: 256 random bits as 43 characters of printable ASCII, which SASLprep (RFC 4013) leaves as they are. */
export function newPassword(): Secret {
  return new Secret(base64url(random(32)))
}

/**
 * SCRAM-SHA-256 verifier (RFC 5802 §3, RFC 7677) in the form that PostgreSQL keeps in `pg_authid`, so that a password
 * itself is never part of a statement. Throws for a password that would need SASLprep.
 */
export async function scramVerifier(password: Secret, options: ScramOptions): Promise<Verifier> {
  const text = password.reveal()
  if (!/^[\x20-\x7e]+$/.test(text)) throw new TypeError("the password is not printable ASCII")
  const salt = options.salt ?? random(16)
  const { iterations } = options
  // A way to the thread pool and back costs as much as a hundred iterations.
  const isShort = iterations <= 64
  const salted = isShort
    ? pbkdf2Sync(text, salt, iterations, 32, "sha256")
    : await derive(text, salt, iterations, 32, "sha256")
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64")
  const serverKey = hmac(salted, "Server Key").toString("base64")
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString("base64")}$${storedKey}:${serverKey}`
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest()
}
