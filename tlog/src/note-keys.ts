import { sha256 } from "#hash"
import { fromBase64, toBase64, toHex, utf8 } from "./bytes.ts"
import { ed25519KeyBytes, ed25519Signer, ed25519Verify } from "./ed25519.ts"
import { LogError } from "./errors.ts"

/** Who can check one key's signatures. `id` is the uint32 that stands before a signature. */
export type NoteVerifier = {
  name: string
  id: number
  verify(text: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/** Who can sign. The key may be elsewhere (a KMS): only these four things are needed of it. */
export type NoteSigner = { name: string; id: number; vkey: string; sign(text: Uint8Array): Promise<Uint8Array> }

/** C2SP signed-note: type byte of plain Ed25519 signatures. */
const ed25519Type = 0x01

/** A new random Ed25519 key: `skey` is secret (`PRIVATE+KEY+…`, as Go's note package writes it), `vkey` is public. */
export async function newNoteKey(name: string): Promise<{ skey: string; vkey: string }> {
  const seed = crypto.getRandomValues(new Uint8Array(ed25519KeyBytes))
  const { publicKey } = await ed25519Signer(seed)
  return { skey: `PRIVATE+KEY+${encodeKey(name, publicKey, seed)}`, vkey: encodeKey(name, publicKey, publicKey) }
}

/** Reads a secret key. Throws `malformed-key`, without the key in the message. */
export async function parseNoteSigner(skey: string): Promise<NoteSigner> {
  const prefix = "PRIVATE+KEY+"
  if (!skey.startsWith(prefix)) throw new LogError("malformed-key", `A secret note key begins with ${prefix}.`)
  const { name, id, material } = decodeKey(skey.slice(prefix.length))
  const { publicKey, sign } = await ed25519Signer(material)
  if (keyId(name, publicKey) !== id) throw new LogError("malformed-key", "The secret note key's id is not its own.")
  return { name, id, vkey: encodeKey(name, publicKey, publicKey), sign }
}

/** Reads a public key, `name+hex id+base64`. Throws `malformed-key`. */
export function parseNoteVerifier(vkey: string): NoteVerifier {
  const { name, id, material } = decodeKey(vkey)
  if (keyId(name, material) !== id) throw new LogError("malformed-key", `The id in ${vkey} is not that of its key.`)
  return { name, id, verify: (text, signature) => ed25519Verify(material, text, signature) }
}

/** Whether a key may have this name: not empty, no white space, no plus, proper Unicode (C2SP signed-note, "Format"). */
export function isKeyName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !/[\p{White_Space}\p{Cc}+]/u.test(name)
}

/** C2SP signed-note: first four bytes of SHA-256(name ‖ newline ‖ type ‖ public key). */
function keyId(name: string, publicKey: Uint8Array): number {
  const digest = sha256(new Uint8Array([...utf8(`${name}\n`), ed25519Type, ...publicKey]))
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

function encodeKey(name: string, publicKey: Uint8Array, material: Uint8Array): string {
  if (!isKeyName(name))
    throw new LogError("malformed-key", "A key name has no white space, no control character, no +.")
  const id = Uint8Array.of(0, 0, 0, 0)
  new DataView(id.buffer).setUint32(0, keyId(name, publicKey))
  return `${name}+${toHex(id)}+${toBase64(new Uint8Array([ed25519Type, ...material]))}`
}

function decodeKey(text: string): { name: string; id: number; material: Uint8Array } {
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text)
  const bytes = match === null ? null : fromBase64(match[3]!)
  if (match === null || bytes === null || !isKeyName(match[1]!)) {
    throw new LogError("malformed-key", "A note key is name+8 hexadecimal digits+base64.")
  }
  if (bytes[0] !== ed25519Type || bytes.length !== 1 + ed25519KeyBytes) {
    throw new LogError("malformed-key", "Only Ed25519 note keys (type 1, 32 bytes) are known here.")
  }
  return { name: match[1]!, id: Number.parseInt(match[2]!, 16), material: bytes.subarray(1) }
}
