import { formatProof, inclusionProof, leafHash, verifyInclusion } from "@safeconduct/tlog"
import { type Database, Refusal } from "#kernel"
import type { Checkpoints } from "./checkpoints.ts"
import { findEntry } from "./store.ts"
import { forked, orForked, tileReader } from "./tree.ts"

const WAIT_MS = 2_000

/**
 * The C2SP tlog-proof of an entry under a checkpoint of this server, who signs whatever any server committed. One that
 * does not verify is not handed out: it throws `log-forked`. Throws `not-found`, and `not-ready` after two seconds.
 */
export async function prove(
  { database, checkpoints }: { database: Database; checkpoints: Checkpoints },
  entryId: string,
): Promise<string> {
  const entry = await findEntry(database, entryId)
  if (entry === null) throw new Refusal("not-found", "The log has no such entry.")
  const { index } = entry
  const { size, root, note } = await checkpoints.covering(index + 1, WAIT_MS)
  const hashes = await orForked(inclusionProof(tileReader(database), index, size))
  if (!verifyInclusion({ leaf: leafHash(entry.leaf), index, size, root, proof: hashes })) {
    throw forked(`entry ${index} is not the one that was signed`)
  }
  return formatProof({ index, hashes, checkpoint: note })
}
