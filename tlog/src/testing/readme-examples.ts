/** What README.md shows, compiled. Never run: tests of the same functions stand beside them. */
import {
  appendLeaves,
  emptyEdge,
  formatCheckpoint,
  httpReader,
  leafHash,
  parseNoteSigner,
  partialTiles,
  signNote,
  verifyLog,
  verifyReceipt,
} from "@safeconduct/tlog"
import { folderReader } from "@safeconduct/tlog/folder"

/** "Verify a log" */
export async function verifying(vkey: string, checkpointFromLastMonth: string, token: string) {
  const report = await verifyLog(folderReader("./export"), vkey, { older: checkpointFromLastMonth })
  if (!report.ok) for (const { code, index, message } of report.problems) console.error(code, index, message)

  await verifyLog(httpReader("https://safeconduct.example/log", { authorization: `Bearer ${token}` }), vkey)
}

/** "Verify a receipt, offline" */
export async function verifyingReceipt(tlogProofText: string, entryBytes: Uint8Array, vkey: string) {
  const { ok, index, origin, problems } = await verifyReceipt(tlogProofText, entryBytes, vkey)
  return { ok, index, origin, problems }
}

/** "Write a log" */
export async function writing(entries: Uint8Array[], skey: string) {
  const { edge, root, tiles } = appendLeaves(emptyEdge(), entries.map(leafHash)) // tiles: full ones, immutable from now on
  const partial = partialTiles(edge) // to be served as ….p/<width> while a checkpoint of this size is
  const signer = await parseNoteSigner(skey) // newNoteKey(name) makes { skey, vkey }
  const checkpoint = await signNote(formatCheckpoint({ origin: signer.name, size: edge.size, root }), [signer])
  return { tiles, partial, checkpoint }
}
