/** Bytes of an Ed25519 seed (private key) and of a public key (RFC 8032 §5.1.5). */
export const ed25519KeyBytes = 32

/** The DER before a seed in a PKCS #8 key (RFC 8410 §7). */
const pkcs8Prefix = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

/** A signing key made ready once. */
export type Ed25519Signer = { publicKey: Uint8Array; sign(message: Uint8Array): Promise<Uint8Array> }

/** Reads a 32-byte seed. WebCrypto, so that Node and browsers run the same code; browsers offer it on secure origins only. */
export async function ed25519Signer(seed: Uint8Array): Promise<Ed25519Signer> {
  const pkcs8 = new Uint8Array([...pkcs8Prefix, ...seed])
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"])
  const { x } = await crypto.subtle.exportKey("jwk", key)
  const base64 = x!.replaceAll("-", "+").replaceAll("_", "/")
  return {
    publicKey: Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, copy(message))),
  }
}

/** Whether the signature is the key's over the message (RFC 8032 §5.1.7). False for a key that is none. */
export async function ed25519Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", copy(publicKey), "Ed25519", false, ["verify"])
    return await crypto.subtle.verify("Ed25519", key, copy(signature), copy(message))
  } catch {
    return false
  }
}

/** WebCrypto's types refuse memory that may be shared between threads. */
function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
