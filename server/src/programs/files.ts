import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { dirname } from "node:path"
import { base64url, Refusal, random, randomText, readKeyFile } from "#kernel"

/** The text of a file that is made, with mode 0600 and synced, when it does not exist yet. Two makers: one wins, both read it. */
export function readOrCreate(path: string, make: () => string): string {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    try {
      writeNew(path, make())
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
  return readFileSync(path, "utf8")
}

/** The key-encryption keys of a file, 32 bytes each. Throws `key-unusable` with what to do. */
export function readKeyEncryptionKeys(path: string): [Buffer, ...Buffer[]] {
  try {
    return readKeyFile(path)
  } catch (cause) {
    throw new Refusal(
      "key-unusable",
      `The key-encryption key cannot be read from ${path}; run "safeconduct keys create".`,
      {
        cause,
      },
    )
  }
}

/** A new key-encryption key as the text of its file. */
export function newKeyEncryptionKey(): string {
  return `${base64url(random(32))}\n`
}

/** Puts a whole new text in the place of a file's, for the same owner; mode 0600 and synced. */
export function replaceFile(path: string, text: string): void {
  const draft = `${path}.${randomText(8)}`
  write(draft, text)
  // Whoever runs this may be root, and the server that reads the file another user.
  const { uid, gid } = statSync(path)
  chownSync(draft, uid, gid)
  // A crash here leaves the file as it was, and a draft that nobody reads.
  renameSync(draft, path)
  syncFolder(dirname(path))
}

function writeNew(path: string, text: string): void {
  const draft = `${path}.${randomText(8)}`
  write(draft, text)
  try {
    // Never over a key that another process has just made (EEXIST), and never half of one.
    linkSync(draft, path)
  } finally {
    rmSync(draft)
  }
  // A crash here leaves the key, or its name is lost with nothing sealed by it yet.
  syncFolder(dirname(path))
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r")
  fsyncSync(folder)
  closeSync(folder)
}

function write(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
