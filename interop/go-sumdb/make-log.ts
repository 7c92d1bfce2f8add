import { randomBytes } from "node:crypto"
import { parseArgs } from "node:util"
import {
  appendLeaves,
  bundlesOf,
  emptyEdge,
  encodeEntries,
  encodeTile,
  formatCheckpoint,
  formatProof,
  inclusionProof,
  leafHash,
  newNoteKey,
  parseNoteSigner,
  partialTiles,
  rootOf,
  signNote,
  tilePath,
  tilesFrom,
} from "@safeconduct/tlog"
import { folderReader, folderWriter } from "@safeconduct/tlog/folder"

// Writes a log as a server would, batch by batch, with an older checkpoint, the public key, and receipts. No database.
const { values } = parseArgs({ options: { log: { type: "string" }, entries: { type: "string", default: "10000" } } })
if (values.log === undefined) throw new Error("--log <folder> is missing")
const size = Number(values.entries)
const older = Math.floor((size * 2) / 3)
const writer = folderWriter(values.log)
const write = (path: string, text: string) => writer.write(path, new TextEncoder().encode(text))

const key = await newNoteKey("log.example/1")
const signer = await parseNoteSigner(key.skey)
const entries = Array.from({ length: size }, (_, index) =>
  new TextEncoder().encode(
    JSON.stringify({ event: "interop.entry", index, random: randomBytes(index % 97).toString("hex") }),
  ),
)

let edge = emptyEdge()
const checkpoint = () =>
  signNote(formatCheckpoint({ origin: signer.name, size: edge.size, root: rootOf(edge) }), [signer])
while (edge.size < size) {
  const until = edge.size < older ? older : size
  const batch = entries.slice(edge.size, Math.min(until, edge.size + 1 + Math.floor(Math.random() * 700)))
  const grown = appendLeaves(edge, batch.map(leafHash))
  edge = grown.edge
  for (const { level, index, hashes } of grown.tiles) await writer.write(tilePath(level, index), encodeTile(hashes))
  if (edge.size === older) await write("older", await checkpoint())
}
for (const { level, index, hashes } of partialTiles(edge)) {
  await writer.write(tilePath(level, index, hashes.length), encodeTile(hashes))
}
for (const { index, width } of bundlesOf(size)) {
  const bundle = encodeEntries(entries.slice(index * 256, index * 256 + width))
  await writer.write(tilePath("entries", index, width), bundle)
}
const newest = await checkpoint()
for (const index of [0, older, size - 1]) {
  const hashes = await inclusionProof(tilesFrom(folderReader(values.log)), index, size)
  await write(`${index}.tlog-proof`, formatProof({ index, hashes, checkpoint: newest }))
}
await write("vkey", key.vkey)
await write("checkpoint", newest)
console.log(`pass  we wrote ${size} entries, signed by ${signer.name}`)
