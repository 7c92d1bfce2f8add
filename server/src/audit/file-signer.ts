import { link, mkdir, open, readdir, readFile, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import {
  formatCheckpoint,
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

/**
 * A signer whose key is in a file. What it signed last is in the folder `<path>.signed`, in a file named by the size and
 * holding the root; several processes may share it. Throws `key-unusable` when the file holds no key of that origin.
 */
export async function openFileSigner(path: string, origin: string): Promise<LogSigner> {
  const signer = await parseNoteSigner((await readFile(path, "utf8")).trim()).catch((cause: unknown) => {
    throw new Refusal("key-unusable", "The file of the log key holds no key.", { cause })
  })
  if (signer.name !== origin) {
    throw new Refusal("key-unusable", `The log key is of ${signer.name}, and this log is ${origin}.`)
  }
  const folder = `${path}.signed`
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lastSigned = () => recall(folder)

  return {
    origin,
    vkey: signer.vkey,
    lastSigned,
    async adopt(note) {
      const checkpoint = await openCheckpoint(note, parseNoteVerifier(signer.vkey)).catch((cause: unknown) => {
        throw new Refusal("key-unusable", "The log's newest checkpoint was signed with another key.", { cause })
      })
      await remember(folder, { size: checkpoint.size, root: Buffer.from(checkpoint.root) })
    },
    async sign(tree) {
      const head = await nextHead(await lastSigned(), tree)
      await remember(folder, head)
      // A crash here leaves a tree that counts as signed and whose checkpoint nobody saw; the next start signs it again.
      return { ...head, note: await signNote(formatCheckpoint({ origin, ...head }), [signer]) }
    },
  }
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
