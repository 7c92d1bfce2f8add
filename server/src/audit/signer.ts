import { verifyConsistency } from "@safeconduct/tlog"
import { equal } from "#kernel"
import type { TreeHead } from "./store.ts"
import { forked, type Tree } from "./tree.ts"

/** A tree head and the C2SP checkpoint that says so: a signed note. */
export type SignedHead = TreeHead & { note: string }

/**
 * Who signs the log's checkpoints. It remembers the last tree it signed where the database has no say, and never signs
 * one that does not contain it. Safe to call from several servers at once. It may hold two keys of one log, while one
 * takes over from the other; a checkpoint then carries a signature by each.
 */
export interface LogSigner {
  /** Name of the log and of its keys: `<trust domain>/log/<n>`. */
  readonly origin: string
  /** Public keys of all that it holds, as C2SP signed-note writes them (`name+hex id+base64`), in the order of the file. */
  held(): readonly string[]
  /** Signs with these from now on; with all that it holds until told. Throws `key-unusable` when it holds none of them. */
  signWith(vkeys: readonly string[]): void
  /** Reads its keys again. */
  reload(): Promise<void>
  /** The tree that was last signed; null when nothing is remembered. */
  lastSigned(): Promise<TreeHead | null>
  /** The checkpoint over the tree that was last signed, signed again: the same text. Null when nothing is remembered. */
  lastCheckpoint(): Promise<SignedHead | null>
  /** Remembers a checkpoint as signed. Throws `key-unusable` when no key held here signed it. */
  adopt(note: string): Promise<void>
  /**
   * Signs the tree as it stands. Durable: what was signed is remembered before this resolves. Throws `log-forked` when
   * the tree is smaller than, or does not contain, the one signed before.
   */
  sign(tree: Tree): Promise<SignedHead>
}

/**
 * The head to sign next, given the last one signed. That one must be read before: the tree only grows, so a smaller one
 * read later is a tree cut short, and never another server's race. Throws `log-forked`.
 */
export async function nextHead(last: TreeHead | null, tree: Tree): Promise<TreeHead> {
  const head = await tree.head()
  if (last === null || last.size === 0) return head
  if (head.size < last.size) throw forked(`it has ${head.size} entries, and ${last.size} were signed`)
  if (head.size === last.size) {
    if (!equal(head.root, last.root)) throw forked(`its ${head.size} entries are not the ones that were signed`)
    return head
  }
  const proof = await tree.consistency(last.size, head.size)
  const claim = { oldSize: last.size, oldRoot: last.root, newSize: head.size, newRoot: head.root, proof }
  if (!verifyConsistency(claim)) throw forked(`its first ${last.size} entries are not the ones that were signed`)
  return head
}
