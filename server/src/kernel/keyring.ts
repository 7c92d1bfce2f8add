import { createCipheriv, createDecipheriv } from "node:crypto"
import { readFileSync } from "node:fs"
import { base64url, fingerprint, fromBase64url, random } from "./bytes.ts"
import { Refusal } from "./refusal.ts"

/**
 * Envelope encryption for what must rest in the database: each value has its own data key, wrapped by a key-encryption
 * key that never is there. AES-256-GCM (NIST SP 800-38D); the context is authenticated, so that one sealed value cannot
 * be put in the place of another.
 */
export interface Keyring {
  /** `context` names the place, such as `credentials.resources/kb`; opening needs the same. */
  seal(context: string, plaintext: Uint8Array | string): string
  /** Throws `key-unusable` when the key-encryption key is another one, or the value was altered or moved. */
  open(context: string, sealed: string): Buffer
  /** False when the value is sealed by another key-encryption key than the one that seals now. */
  isCurrent(sealed: string): boolean
}

/** Opens a keyring on 32 bytes of key-encryption key; other keys only open. */
export function openKeyring(key: Uint8Array, others: readonly Uint8Array[] = []): Keyring {
  for (const { byteLength } of [key, ...others]) {
    if (byteLength !== 32) throw new Refusal("key-unusable", "The key-encryption key must be 32 bytes.")
  }
  const keys = new Map([key, ...others].map((each) => [keyName(each), each]))
  return {
    isCurrent: (sealed) => sealed.split(".")[1] === keyName(key),
    seal(context, plaintext) {
      const dataKey = random(32)
      const wrapped = encrypt(key, `dek:${context}`, dataKey)
      return ["sc1", keyName(key), wrapped, encrypt(dataKey, context, plaintext)].join(".")
    },
    open(context, sealed) {
      const [version, name, wrapped, text, more] = sealed.split(".")
      const wrapping = version === "sc1" && more === undefined ? keys.get(name ?? "") : undefined
      if (wrapping === undefined || wrapped === undefined || text === undefined) {
        throw new Refusal("key-unusable", "A stored secret was sealed with another key-encryption key.")
      }
      try {
        return decrypt(decrypt(wrapping, `dek:${context}`, wrapped), context, text)
      } catch (cause) {
        throw new Refusal("key-unusable", "A stored secret does not open: it was altered, or moved.", { cause })
      }
    },
  }
}

/** Reads keys of 32 bytes from a file, one to a line as base64url. Throws `key-unusable` for anything else. */
export function readKeyFile(path: string): [Buffer, ...Buffer[]] {
  const [first, ...others] = readFileSync(path, "utf8")
    .trim()
    .split(/\s*\n\s*/)
  const read = (text: string) => {
    const bytes = Buffer.from(text, "base64url")
    if (bytes.byteLength === 32 && base64url(bytes) === text) return bytes
    throw new Refusal("key-unusable", `${path} holds no key: 32 bytes as base64url, one to a line.`)
  }
  return [read(first!), ...others.map(read)]
}

/** What sealed values name a key-encryption key by; says nothing of the key. */
export function keyName(key: Uint8Array): string {
  return fingerprint("safeconduct kek", key).slice(0, 16)
}

function encrypt(key: Uint8Array, context: string, plaintext: Uint8Array | string): string {
  const iv = random(12)
  const cipher = createCipheriv("aes-256-gcm", key, iv)
  cipher.setAAD(Buffer.from(context))
  const body = Buffer.concat([cipher.update(plaintext as Uint8Array), cipher.final()])
  return base64url(Buffer.concat([iv, cipher.getAuthTag(), body]))
}

function decrypt(key: Uint8Array, context: string, text: string): Buffer {
  const bytes = fromBase64url(text)
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(bytes.subarray(12, 28))
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()])
}
