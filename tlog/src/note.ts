import { fromBase64, fromUtf8, toBase64, utf8 } from "./bytes.ts"
import { LogError } from "./errors.ts"
import { isKeyName, type NoteSigner, type NoteVerifier } from "./note-keys.ts"

/** A signature line: key name, key id, and the bytes after the id. */
export type NoteSignature = { name: string; id: number; signature: Uint8Array }

/** A note whose signatures by known keys all verified. `text` is what they signed; `unknown` are lines of other keys. */
export type OpenedNote = { text: string; signers: NoteVerifier[]; unknown: NoteSignature[] }

/** C2SP signed-note asks for 16 or more; Go's note package allows as many. */
const maxSignatures = 100
const maxBytes = 1_000_000

/** Signs a text that ends in a newline; returns the whole note. Throws `malformed-note`. */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!text.endsWith("\n")) throw new LogError("malformed-note", "A note's text ends in a newline.")
  assertPlain(text)
  const lines = signers.map(async (signer) => {
    const signature = await signer.sign(utf8(text))
    const blob = new Uint8Array(4 + signature.length)
    new DataView(blob.buffer).setUint32(0, signer.id)
    blob.set(signature, 4)
    return `— ${signer.name} ${toBase64(blob)}\n`
  })
  return `${text}\n${(await Promise.all(lines)).join("")}`
}

/**
 * Opens a note: lines of unknown keys are ignored, one bad line of a known key refuses the note, and at least one known
 * key must have signed. Throws `malformed-note`, `unknown-signer`, `bad-signature`.
 */
export async function openNote(note: string | Uint8Array, verifiers: readonly NoteVerifier[]): Promise<OpenedNote> {
  const { text, signatures } = parseNote(note)
  const signers: NoteVerifier[] = []
  const unknown: NoteSignature[] = []
  for (const line of signatures) {
    const verifier = verifiers.find((known) => known.name === line.name && known.id === line.id)
    if (verifier === undefined) {
      unknown.push(line)
      continue
    }
    if (!(await verifier.verify(utf8(text), line.signature))) {
      throw new LogError("bad-signature", `The signature of ${line.name} does not verify.`)
    }
    if (!signers.includes(verifier)) signers.push(verifier)
  }
  if (signers.length === 0) throw new LogError("unknown-signer", "No known key signed this note.")
  return { text, signers, unknown }
}

/** Text and signature lines, nothing verified. Throws `malformed-note`. */
export function parseNote(note: string | Uint8Array): { text: string; signatures: NoteSignature[] } {
  const whole = typeof note === "string" ? note : fromUtf8(note)
  if (whole === null) throw new LogError("malformed-note", "The note is not UTF-8.")
  if (whole.length > maxBytes) throw new LogError("malformed-note", "The note is larger than a megabyte.")
  assertPlain(whole)
  const split = whole.lastIndexOf("\n\n")
  if (split < 0 || !whole.endsWith("\n")) throw new LogError("malformed-note", "The note has no signature lines.")
  const lines = whole.slice(split + 2, -1).split("\n")
  if (lines.length > maxSignatures) throw new LogError("malformed-note", "The note has more than 100 signatures.")
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): NoteSignature {
  const [dash, name, base64, ...more] = line.split(" ")
  const blob = fromBase64(base64 ?? "")
  if (dash !== "—" || !isKeyName(name ?? "") || blob === null || blob.length < 5 || more.length > 0) {
    throw new LogError("malformed-note", "A signature line is: em dash, key name, base64 of key id and signature.")
  }
  return { name: name!, id: new DataView(blob.buffer).getUint32(0), signature: blob.subarray(4) }
}

/** C2SP signed-note, "Format": valid Unicode, no control character below U+0020 but newline. */
function assertPlain(text: string): void {
  if (!text.isWellFormed()) throw new LogError("malformed-note", "The note is not valid Unicode.")
  if (/[\0-\x09\x0b-\x1f]/.test(text)) throw new LogError("malformed-note", "The note has a control character.")
}
