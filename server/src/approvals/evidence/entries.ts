import {
  formatProof,
  LogError,
  leafHash,
  type NoteVerifier,
  openNote,
  parseProof,
  verifyProof,
} from "@safeconduct/tlog"
import { commitment, type Leaf, readLeaf } from "#audit"
import { canonical, fromBase64url, type Json, Refusal } from "#kernel"
import type { Bundle, ProvenEntry } from "./bundle.ts"

/** An entry that is in the log, as far as whoever holds its public key can tell. */
export type OpenedEntry = {
  leaf: Leaf
  /** Name of its log, and its place there. */
  log: string
  index: number
  /** Personal values that are left, each as it was committed to. */
  personal: { [name: string]: Json }
}

/**
 * Verifies each entry's place in a log that one of the keys signed, and what is disclosed of it. They are in the log's order, so
 * that none is there twice. Throws `not-verified`.
 */
export async function openEntries({ entries }: Bundle, keys: readonly NoteVerifier[]): Promise<OpenedEntry[]> {
  const opened: OpenedEntry[] = []
  for (const entry of entries) {
    const next = await openEntry(entry, keys)
    const last = opened.at(-1)
    if (last !== undefined && !isBefore(last, next)) throw refused("its entries are not in the order of the log")
    opened.push(next)
  }
  return opened
}

/**
 * Whether the log has it earlier. Logs of one deployment are numbered, and one begins when the one before is closed; of two
 * deployments neither is before the other, whoever's public keys somebody has.
 */
export function isBefore(a: OpenedEntry, b: OpenedEntry): boolean {
  if (a.log === b.log) return a.index < b.index
  const [one, other] = [a.log, b.log].map((log) => /^(.+)\/log\/([1-9]\d*)$/.exec(log) ?? [])
  return one![1] !== undefined && one![1] === other![1] && Number(one![2]) < Number(other![2])
}

async function openEntry(
  { text, receipt, disclosures }: ProvenEntry,
  keys: readonly NoteVerifier[],
): Promise<OpenedEntry> {
  const bytes = Buffer.from(text)
  const { index, checkpoint } = await verifyReceipt(receipt, leafHash(bytes), keys)
  const leaf = leafOf(bytes)
  const personal: OpenedEntry["personal"] = {}
  for (const [name, { salt, value }] of Object.entries(disclosures)) {
    if (leaf.commitments?.[name] !== commitmentOf(salt, value)) {
      throw refused(`${name} of ${leaf.event} is not what the log commits to`)
    }
    personal[name] = value
  }
  return { leaf, log: checkpoint.origin, index, personal }
}

/** Every signature line counts: one that nobody here can judge could be changed unnoticed. */
async function verifyReceipt(receipt: string, leaf: Uint8Array, keys: readonly NoteVerifier[]) {
  try {
    const proof = parseProof(receipt)
    if (proof.extra !== undefined || formatProof(proof) !== receipt) throw refused("a receipt has more than its proof")
    const proven = await verifyProof(receipt, leaf, keys)
    const { unknown } = await openNote(proof.checkpoint, keys)
    if (unknown.length === 0) return proven
    throw refused(`its checkpoint is signed by ${unknown[0]!.name} with another key as well; give that one too`)
  } catch (cause) {
    if (cause instanceof LogError) throw refused(`an entry is not proven: ${cause.message}`, cause)
    throw cause
  }
}

function leafOf(bytes: Buffer): Leaf {
  try {
    return readLeaf(bytes)
  } catch (cause) {
    throw refused("an entry cannot be read", cause)
  }
}

function commitmentOf(salt: string, value: Json): string | null {
  try {
    return commitment({ salt: fromBase64url(salt), value: canonical(value) })
  } catch {
    return null
  }
}

/** Why nothing is proven. */
export function refused(why: string, cause?: unknown): Refusal {
  return new Refusal("not-verified", `The evidence does not verify: ${why}.`, { cause })
}
