import {
  appendLeaves,
  type Checkpoint,
  consistencyProof,
  emptyEdge,
  LogError,
  type LogReader,
  leafHash,
  openCheckpoint,
  parseNoteVerifier,
  readEntries,
  rootOf,
  tilesFrom,
  tileWidth,
  verifyConsistency,
} from "@safeconduct/tlog"
import type { Violation } from "./record.ts"

/** What a follower has of the log: every entry's hash is in its own tree, and nothing of it is taken on trust. */
export type Follower = {
  /**
   * Reads what is new at this server, after it was shown to extend what was read before. Throws what the reader throws;
   * what the log did wrong is told.
   */
  step(reader: LogReader): Promise<void>
  readonly size: number
  readonly checkpoints: number
  /** The first signed checkpoint, as it came. */
  readonly first: string | null
}

type Shown = { checkpoint: Checkpoint; reader: LogReader }

/** Nothing read yet. `onEntry` gets the bytes of each entry, once, in order. */
export function follow(
  vkey: string,
  onEntry: (bytes: Uint8Array, index: number) => void,
  tell: (violation: Violation) => void,
): Follower {
  const verifier = parseNoteVerifier(vkey)
  let edge = emptyEdge()
  /** The newest checkpoint, and who showed it: only there are the hashes that lead to it sure to be. */
  let newest: Shown | null = null
  let first: string | null = null
  let checkpoints = 0
  const wrong = (rule: string, what: string) => tell({ rule, what, atMs: Date.now(), index: edge.size })

  /** Two checkpoints of one log: the smaller one is a beginning of the larger one, or it was rewritten. */
  const isSameLog = async (one: Shown, other: Shown) => {
    const [older, newer] = one.checkpoint.size <= other.checkpoint.size ? [one, other] : [other, one]
    const { size: oldSize, root: oldRoot } = older.checkpoint
    const { size: newSize, root: newRoot } = newer.checkpoint
    const proof = await consistencyProof(tilesFrom(newer.reader), oldSize, newSize)
    return verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof })
  }
  const readOn = async (reader: LogReader, { size, root }: Checkpoint) => {
    while (edge.size < size) {
      const bundle = Math.floor(edge.size / tileWidth)
      const width = Math.min(tileWidth, size - bundle * tileWidth)
      const entries = (await readEntries(reader, bundle, width)).slice(edge.size % tileWidth)
      const from = edge.size
      edge = appendLeaves(edge, entries.map(leafHash)).edge
      for (const [nth, bytes] of entries.entries()) onEntry(bytes, from + nth)
    }
    if (Buffer.compare(rootOf(edge), root) !== 0) wrong("root-mismatch", `the entries of ${size} do not give its root`)
  }

  return {
    async step(reader) {
      const note = await reader.read("checkpoint")
      if (note === null) return wrong("checkpoint-missing", "there is no checkpoint")
      try {
        const checkpoint = await openCheckpoint(note, verifier)
        checkpoints += 1
        first ??= new TextDecoder().decode(note)
        const shown = { checkpoint, reader }
        if (newest !== null && !(await isSameLog(newest, shown))) {
          const { size } = newest.checkpoint
          return wrong("log-rewritten", `${checkpoint.size} entries and the ${size} that were read are not of one log`)
        }
        if (newest !== null && checkpoint.size <= newest.checkpoint.size) return
        await readOn(reader, checkpoint)
        newest = shown
      } catch (error) {
        if (!(error instanceof LogError)) throw error
        wrong("log-broken", `${error.code}: ${error.message}`)
      }
    },
    get size() {
      return edge.size
    },
    get checkpoints() {
      return checkpoints
    },
    get first() {
      return first
    },
  }
}
