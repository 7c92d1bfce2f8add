import { readFile, stat } from "node:fs/promises"
import { httpReader, type LogReader, parseNoteVerifier, parseProof, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { folderReader } from "@safeconduct/tlog/folder"
import type { Command } from "commander"
import { keepCheckpoint, lastCheckpoint } from "../checkpoints.ts"
import { remote, styleOf } from "../command.ts"
import { CommandError, exits, usage } from "../exit.ts"
import { FILES, inHome } from "../home.ts"
import { serverReader } from "../log-readers.ts"
import { asOperator, type RemoteOptions } from "../operator.ts"
import { printRow, printRows, type Style, say, withProgress } from "../output.ts"

type VerifyOptions = RemoteOptions & { key?: string; older?: string; entry?: string; remember: boolean }

/** Checks a running log, an exported folder or one receipt, with the public key only. */
export function addVerify(audit: Command): void {
  remote(audit, "verify [what]", "Verify a running log, an exported folder or a receipt, with the public key only", [
    "safeconduct audit verify",
    "safeconduct audit verify ./log --key log.vkey --older checkpoint-of-last-month",
    "safeconduct audit verify entry.tlog-proof --key 'example.com/log/1+…'",
  ])
    .option("--key <vkey>", "the log's public key, or a file that holds it (default: kept at login)")
    .option("--older <file>", "an older checkpoint that the log must still contain (default: the last verified here)")
    .option("--entry <file>", "the entry's bytes, for a receipt that does not carry them")
    .option("--no-remember", "do not keep the checkpoint that verified")
    .action(async (what: string | undefined, options: VerifyOptions, command: Command) => {
      const vkey = await keyFrom(options.key)
      const style = styleOf(command)
      if (what === undefined || /^https?:\/\//.test(what)) return await verifyRunning(what, vkey, options, style)
      const found = await stat(what).catch(() => null)
      if (found === null) throw new CommandError(exits.notFound, "not-found", `There is no ${what}.`)
      if (found.isDirectory()) return await verifyWhole(folderReader(what), what, vkey, options, style)
      await verifyOne(what, vkey, options, style)
    })
}

async function verifyRunning(
  what: string | undefined,
  vkey: string,
  options: VerifyOptions,
  style: Style,
): Promise<void> {
  // A plain http address serves checkpoint and hashes only; entries need the operator's identity.
  if (what?.startsWith("http:")) return await verifyWhole(httpReader(prefixOf(what)), what, vkey, options, style)
  const url = what === undefined ? {} : { url: new URL(what).origin }
  await asOperator({ ...options, ...url }, (server) =>
    verifyWhole(serverReader(server), server.peer.url, vkey, options, style),
  )
}

async function verifyWhole(
  source: LogReader,
  what: string,
  vkey: string,
  options: VerifyOptions,
  style: Style,
): Promise<void> {
  const { name: origin } = parseNoteVerifier(vkey)
  const older = options.older === undefined ? await lastCheckpoint(origin) : await readFile(options.older, "utf8")
  const { reader, checkpoint } = holding(source)
  const report = await withProgress(`Verifying ${what}`, () =>
    verifyLog(reader, vkey, older === undefined ? {} : { older }),
  )
  if (style.isJson) printRow({ what, ...report, comparedWithOlder: older !== undefined }, style)
  else printRows(report.problems, ["code", "index", "message"], style)
  if (report.problems[0]?.code === "entries-missing" && what.startsWith("http:")) {
    const instead = 'Leave it out where you are logged in, or verify what "safeconduct audit export" wrote.'
    throw new CommandError(exits.failed, "entries-missing", `${what} serves its checkpoint and hashes only. ${instead}`)
  }
  if (!report.ok) throw notVerified(`${what} does not verify: ${report.problems[0]?.message ?? "unknown"}`)
  const note = checkpoint()
  if (options.remember && note !== undefined) await keepCheckpoint(origin, note)
  const since =
    older === undefined
      ? "Nothing older to compare with; the next time there will be."
      : "The older checkpoint is contained."
  say(`Verified: ${report.size} entries of ${report.origin}, root ${report.root}. ${since}`)
}

async function verifyOne(path: string, vkey: string, options: VerifyOptions, style: Style): Promise<void> {
  const text = await readFile(path, "utf8")
  const entry = options.entry === undefined ? carried(text, path) : new Uint8Array(await readFile(options.entry))
  const report = await verifyReceipt(text, entry, vkey)
  if (style.isJson) printRow({ what: path, ...report, entry: new TextDecoder().decode(entry) }, style)
  if (!report.ok) throw notVerified(`${path} does not verify: ${report.problems[0]?.message ?? "unknown"}`)
  if (!style.isJson) printRow({ index: report.index, ...leafOf(entry) }, style)
  say(`Verified: entry ${report.index} of ${report.origin}, under a signed tree of ${report.size}.`)
}

/** The entry inside a receipt of ours; a foreign one comes with --entry. */
function carried(text: string, path: string): Uint8Array {
  try {
    const { extra } = parseProof(text)
    if (extra !== undefined) return extra
  } catch (cause) {
    throw notVerified(`${path} is not a receipt: ${(cause as Error).message}`)
  }
  throw usage(`${path} does not carry its entry; give the entry's bytes with --entry <file>.`)
}

function leafOf(entry: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(entry)) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** One reading of the checkpoint for everything, so that what is kept is what was verified while the log grows. */
function holding(source: LogReader): { reader: LogReader; checkpoint: () => string | undefined } {
  let held: Uint8Array | null | undefined
  return {
    reader: {
      async read(path) {
        if (path !== "checkpoint") return await source.read(path)
        if (held === undefined) held = await source.read(path)
        return held
      },
    },
    checkpoint: () => (held ? new TextDecoder().decode(held) : undefined),
  }
}

/** A key given as such, or as a file, or the one that was kept at login. */
async function keyFrom(given: string | undefined): Promise<string> {
  if (given !== undefined && /^[^\s+]+\+[0-9a-f]{8}\+\S+$/.test(given)) return given
  const path = given ?? inHome(FILES.logKey)
  try {
    return (await readFile(path, "utf8")).trim()
  } catch {
    throw usage(
      `There is no public key in ${path}. Give it with --key; its owner publishes it (safeconduct audit key).`,
    )
  }
}

function prefixOf(url: string): string {
  return /\/log\/?$/.test(new URL(url).pathname) ? url : new URL("/log", url).href
}

function notVerified(message: string): CommandError {
  return new CommandError(exits.notVerified, "not-verified", message)
}
