import { formatProof, inclusionProof, leafHash, parseCheckpoint, parseNote, verifyInclusion } from "@safeconduct/tlog"
import { type Database, Refusal } from "#kernel"
import type { Checkpoints } from "./checkpoints.ts"
import { type ClosedPlace, lastCheckpointOf, locate } from "./logs/closed.ts"
import type { SignedHead } from "./signer.ts"
import { forked, orForked, tileReader } from "./tree.ts"

const WAIT_MS = 2_000

/**
 * The C2SP tlog-proof of an entry under a checkpoint of this server, who signs whatever any server committed; of an entry
 * in a closed log, under that log's last checkpoint. One that does not verify is not handed out: it throws `log-forked`, or
 * `not-verified` in a closed log. Throws `not-found`, and `not-ready` after two seconds.
 */
export async function prove(
  { database, checkpoints }: { database: Database; checkpoints: Checkpoints },
  entryId: string,
): Promise<string> {
  const { entry, closed } = await locate(database, entryId)
  const { index } = entry
  const head = closed === null ? await checkpoints.covering(index + 1, WAIT_MS) : await lastHead(database, closed)
  if (index >= head.size) throw notProven(closed!.log, "it was closed before a checkpoint covered this entry")
  const hashes = await orForked(inclusionProof(tileReader(database, closed?.tables), index, head.size))
  if (!verifyInclusion({ leaf: leafHash(entry.leaf), index, size: head.size, root: head.root, proof: hashes })) {
    if (closed !== null) throw notProven(closed.log, `entry ${index} is not the one that was signed`)
    throw forked(`entry ${index} is not the one that was signed`)
  }
  return formatProof({ index, hashes, checkpoint: head.note })
}

async function lastHead(database: Database, closed: ClosedPlace): Promise<SignedHead> {
  const note = await lastCheckpointOf(database, closed)
  const { size, root } = parseCheckpoint(parseNote(note).text)
  return { size, root: Buffer.from(root), note }
}

function notProven(log: number, why: string): Refusal {
  return new Refusal(
    "not-verified",
    `Log ${log} does not prove this entry: ${why}. The next log's first entry says more.`,
  )
}
