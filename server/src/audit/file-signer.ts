import { chown, link, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import {
  formatCheckpoint,
  type NoteSigner,
  newNoteKey,
  openCheckpoint,
  parseNoteSigner,
  parseNoteVerifier,
  signNote,
} from "@safeconduct/tlog"
import { Refusal, randomText } from "#kernel"
import { type LogSigner, nextHead } from "./signer.ts"
import type { TreeHead } from "./store.ts"
import { forked } from "./tree.ts"

/** Makes a new log key in a file of mode 0600, in the form of Go's note package. Throws EEXIST when there is one. */
export async function createLogKey(path: string, origin: string): Promise<{ vkey: string }> {
  const { skey, vkey } = await newNoteKey(origin)
  await writeDurably(path, `${skey}\n`)
  await syncFolder(dirname(path))
  return { vkey }
}

/** Puts a new key below those in the file: of the same log to take over from them, or of the next. Throws `key-unusable`. */
export async function addLogKey(path: string, origin: string): Promise<{ vkey: string }> {
  const lines = (await readKeys(path)).map(({ line }) => line)
  const { skey, vkey } = await newNoteKey(origin)
  const draft = `${path}.${randomText(8)}`
  await writeDurably(draft, [...lines, skey, ""].join("\n"))
  // Whoever runs this may be root, and the server that reads the file another user.
  const { uid, gid } = await stat(path)
  await chown(draft, uid, gid)
  // A crash before here leaves the file as it was, and a draft that nobody reads.
  await rename(draft, path)
  await syncFolder(dirname(path))
  return { vkey }
}

/**
 * A signer whose keys are in a file, one to a line; those of other logs are passed over. What it signed last is in a folder
 * beside it, in a file named by the size and holding the root; several processes may share both. Throws `key-unusable`
 * when the file holds no key of that origin.
 */
export async function openFileSigner(path: string, origin: string): Promise<LogSigner> {
  const folder = memoryOf(path, origin)
  let keys = await readKeysOf(path, origin)
  let chosen: readonly string[] | null = null
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lastSigned = () => recall(folder)
  const signers = () => keys.filter(({ vkey }) => chosen === null || chosen.includes(vkey))
  const noteOver = (head: TreeHead) => signNote(formatCheckpoint({ origin, ...head }), signers())

  return {
    origin,
    held: () => keys.map(({ vkey }) => vkey),
    signWith(vkeys) {
      if (!keys.some(({ vkey }) => vkeys.includes(vkey))) throw noneInForce(path, vkeys)
      chosen = vkeys
    },
    async reload() {
      keys = await readKeysOf(path, origin)
    },
    lastSigned,
    async lastCheckpoint() {
      const head = await lastSigned()
      return head === null ? null : { ...head, note: await noteOver(head) }
    },
    async adopt(note) {
      const verifiers = keys.map(({ vkey }) => parseNoteVerifier(vkey))
      const checkpoint = await openCheckpoint(note, verifiers).catch((cause: unknown) => {
        throw new Refusal("key-unusable", "The log's newest checkpoint was signed with another key.", { cause })
      })
      await remember(folder, { size: checkpoint.size, root: Buffer.from(checkpoint.root) })
    },
    async sign(tree) {
      if (signers().length === 0) throw noneInForce(path, chosen ?? [])
      const head = await nextHead(await lastSigned(), tree)
      await remember(folder, head)
      // A crash here leaves a tree that counts as signed and whose checkpoint nobody saw; the next start signs it again.
      return { ...head, note: await noteOver(head) }
    },
  }
}

/** The last tree of that log that this host remembers as signed, also where its key is lost; null when it remembers none. */
export async function recallSigned(path: string, origin: string): Promise<TreeHead | null> {
  const folder = memoryOf(path, origin)
  return (await stat(folder).catch(unless("ENOENT"))) === undefined ? null : await recall(folder)
}

/** Every key in the file, with the line that it stands in. */
async function readKeys(path: string): Promise<(NoteSigner & { line: string })[]> {
  const lines = (await readFile(path, "utf8")).split("\n").map((line) => line.trim())
  const reading = lines.filter((line) => line !== "").map(async (line) => ({ ...(await parseNoteSigner(line)), line }))
  return await Promise.all(reading).catch((cause: unknown) => {
    throw new Refusal("key-unusable", "The file of the log key holds a line that is no key.", { cause })
  })
}

async function readKeysOf(path: string, origin: string): Promise<NoteSigner[]> {
  const all = await readKeys(path)
  const keys = all.filter(({ name }) => name === origin)
  if (keys.length > 0) return keys
  const names = [...new Set(all.map(({ name }) => name))].join(", ") || "no log"
  throw new Refusal(
    "key-unusable",
    `The log key is of ${names}, and this log is ${origin}. Copy the file from the host where its key was made.`,
  )
}

/** The first log's is `<path>.signed`, from when there was no other. */
function memoryOf(path: string, origin: string): string {
  const number = /\/log\/(\d+)$/.exec(origin)?.[1] ?? "1"
  return number === "1" ? `${path}.signed` : `${path}.signed-${number}`
}

function noneInForce(path: string, vkeys: readonly string[]): Refusal {
  const wanted = vkeys.map((vkey) => vkey.split("+").slice(0, 2).join("+")).join(", ")
  return new Refusal(
    "key-unusable",
    `${path} holds none of the log keys in force (${wanted}). Copy it from another host; if all are lost: safeconduct audit rotate --without-the-old-key.`,
  )
}

/** The largest tree remembered. A file that vanishes meanwhile was replaced by a larger one. */
async function recall(folder: string): Promise<TreeHead | null> {
  for (;;) {
    const name = (await namesIn(folder)).at(-1)
    if (name === undefined) return null
    const text = await readFile(join(folder, name), "utf8").catch(unless("ENOENT"))
    if (text !== undefined) return { size: Number(name), root: Buffer.from(text, "base64") }
  }
}

/** One size, one root, for good: the link fails when the size is there. Smaller ones are let go afterwards. */
async function remember(folder: string, { size, root }: TreeHead): Promise<void> {
  const name = String(size).padStart(16, "0")
  const text = `${root.toString("base64")}\n`
  const draft = join(folder, `draft-${randomText(8)}`)
  await writeDurably(draft, text)
  try {
    await link(draft, join(folder, name))
  } catch (error) {
    unless("EEXIST")(error)
    const there = await readFile(join(folder, name), "utf8").catch(unless("ENOENT"))
    if (there !== undefined && there !== text) throw forked(`another tree of ${size} entries was signed`)
  } finally {
    await unlink(draft)
  }
  await syncFolder(folder)
  // A crash here leaves smaller ones, which the next call lets go.
  const smaller = (await namesIn(folder)).filter((other) => other < name)
  await Promise.all(smaller.map((other) => unlink(join(folder, other)).catch(unless("ENOENT"))))
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{16}$/.test(name)).sort()
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600)
  await file.writeFile(text)
  await file.sync()
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r")
  await folder.sync()
}

/** Lets that error of the file system pass, as undefined. */
function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
    return undefined
  }
}
