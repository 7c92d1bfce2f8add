import { readFile, stat } from "node:fs/promises"
import { httpReader, type LogReader, type Proof, parseProof, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { folderReader } from "@safeconduct/tlog/folder"
import type { Command } from "commander"
import { keepCheckpoint, lastCheckpoint } from "../checkpoints.ts"
import { remote, styleOf, wholeNumber } from "../command.ts"
import { acceptLoss, compareEarlier, type Earlier } from "../earlier-logs.ts"
import { CommandError, exits, usage } from "../exit.ts"
import { keysOf, type LogEntry, learnKeys, originOfNote, ownEntries, readLogKeys, refuseRetired } from "../log-keys.ts"
import { namedReader, serverReader } from "../log-readers.ts"
import { asOperator, type RemoteOptions } from "../operator.ts"
import { printRow, printRows, type Style, say, withProgress } from "../output.ts"

type VerifyOptions = RemoteOptions & {
  key?: string[]
  log?: number
  older?: string
  entry?: string
  remember: boolean
  acceptLoss?: boolean
}

/** Checks a running log, an exported folder or one receipt, with the public key only. */
export function addVerify(audit: Command): void {
  remote(audit, "verify [what]", "Verify a running log, an exported folder or a receipt, with the public key only", [
    "safeconduct audit verify",
    "safeconduct audit verify ./log --key log.vkey --older checkpoint-of-last-month",
    "safeconduct audit verify entry.tlog-proof --key 'example.com/log/1+…'",
  ])
    .option(
      "--key <vkey>",
      "a public key of the log, or a file of them; may be repeated (default: kept at login)",
      collect,
    )
    .option("--log <number>", "a closed log of the server instead of the one that goes on", wholeNumber(1))
    .option("--older <file>", "an older checkpoint that the log must still contain (default: the last verified here)")
    .option("--entry <file>", "the entry's bytes, for a receipt that does not carry them")
    .option("--no-remember", "do not keep the checkpoint that verified")
    .option("--accept-loss", "accept that entries of an earlier log are gone, as the first entry of the next one says")
    .action(async (what: string | undefined, options: VerifyOptions, command: Command) => {
      const vkeys = await readLogKeys(options.key)
      const style = styleOf(command)
      if (what === undefined || /^https?:\/\//.test(what)) return await verifyRunning(what, vkeys, options, style)
      const found = await stat(what).catch(() => null)
      if (found === null) throw new CommandError(exits.notFound, "not-found", `There is no ${what}.`)
      if (found.isDirectory()) return await verifyWhole({ reader: folderReader(what), what }, vkeys, options, style)
      await verifyOne(what, vkeys, options, style)
    })
}

async function verifyRunning(
  what: string | undefined,
  vkeys: readonly string[],
  options: VerifyOptions,
  style: Style,
): Promise<void> {
  // A plain http address serves checkpoint and hashes only; entries need the operator's identity.
  if (what?.startsWith("http:")) {
    return await verifyWhole({ reader: plainReader(what, options.log), what }, vkeys, options, style)
  }
  const url = what === undefined ? {} : { url: new URL(what).origin }
  await asOperator({ ...options, ...url }, async (server) => {
    const earlier = (log: number) => serverReader(server, String(log))
    await verifyWhole(
      { reader: namedReader(server, options.log?.toString()), what: server.peer.url, earlier },
      vkeys,
      options,
      style,
    )
  })
}

/** A log to verify; `earlier` reads those before it, where that is possible. */
type Source = { reader: LogReader; what: string; earlier?: Earlier }

async function verifyWhole(
  { reader: source, what, earlier }: Source,
  vkeys: readonly string[],
  options: VerifyOptions,
  style: Style,
): Promise<void> {
  const { reader, checkpoint, entries } = holding(source)
  const origin = originOfNote(await reader.read("checkpoint"))
  const keys = keysOf(origin, vkeys)
  const older = options.older === undefined ? await seenOf(origin) : (await readNamed(options.older)).toString("utf8")
  const report = await withProgress(`Verifying ${what}`, () =>
    verifyLog(reader, keys, older === undefined ? {} : { older }),
  )
  if (style.isJson) printRow({ what, ...report, comparedWithOlder: older !== undefined }, style)
  else printRows(report.problems, ["code", "index", "message"], style)
  if (report.problems[0]?.code === "entries-missing" && what.startsWith("http:")) {
    const instead = 'Leave it out where you are logged in, or verify what "safeconduct audit export" wrote.'
    throw new CommandError(exits.failed, "entries-missing", `${what} serves its checkpoint and hashes only. ${instead}`)
  }
  if (!report.ok) throw notVerified(`${what} does not verify: ${report.problems[0]?.message ?? "unknown"}`)
  await refuseRetired(checkpoint()!, keys, entries())
  const loss = await compareEarlier({ origin, first: entries()[0], vkeys, earlier })
  if (loss !== null && options.acceptLoss !== true) {
    throw notVerified(`${loss} Verify with --accept-loss where that is so.`)
  }
  const note = checkpoint()
  if (options.remember && note !== undefined && origin !== null) await keepCheckpoint(origin, note)
  if (loss !== null && options.remember && earlier !== undefined) await acceptLoss(entries()[0]!, earlier)
  if (options.key === undefined) await learnKeys(origin, keys, entries())
  const since =
    older === undefined
      ? "Nothing older to compare with; the next time there will be."
      : "The older checkpoint is contained."
  say(`Verified: ${report.size} entries of ${report.origin}, root ${report.root}. ${since}`)
  if (loss !== null) say(`Accepted: ${loss}`)
}

async function seenOf(origin: string | null): Promise<string | undefined> {
  return origin === null ? undefined : await lastCheckpoint(origin)
}

async function verifyOne(path: string, vkeys: readonly string[], options: VerifyOptions, style: Style): Promise<void> {
  const text = await readFile(path, "utf8")
  const entry = options.entry === undefined ? carried(text, path) : new Uint8Array(await readNamed(options.entry))
  const keys = keysOf(originOfNote(checkpointOf(text, path)), vkeys)
  const report = await verifyReceipt(text, entry, keys)
  if (style.isJson) printRow({ what: path, ...report, entry: new TextDecoder().decode(entry) }, style)
  if (!report.ok) throw notVerified(`${path} does not verify: ${report.problems[0]?.message ?? "unknown"}`)
  if (!style.isJson) printRow({ index: report.index, ...leafOf(entry) }, style)
  say(`Verified: entry ${report.index} of ${report.origin}, under a signed tree of ${report.size}.`)
}

async function readNamed(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${cause.code}).`)
  })
}

/** The entry inside a receipt of ours; a foreign one comes with --entry. */
function carried(text: string, path: string): Uint8Array {
  const { extra } = parsed(text, path)
  if (extra !== undefined) return extra
  throw usage(`${path} does not carry its entry; give the entry's bytes with --entry <file>.`)
}

function checkpointOf(text: string, path: string): Uint8Array {
  return new TextEncoder().encode(parsed(text, path).checkpoint)
}

function parsed(text: string, path: string): Proof {
  try {
    return parseProof(text)
  } catch (cause) {
    throw notVerified(`${path} is not a receipt: ${(cause as Error).message}`)
  }
}

function leafOf(entry: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(entry)) as Record<string, unknown>
  } catch {
    return {}
  }
}

/**
 * One reading of the checkpoint for everything, so that what is kept is what was verified while the log grows; and the
 * entries about the log itself, as they were read.
 */
function holding(source: LogReader) {
  let held: Uint8Array | null | undefined
  const own: LogEntry[] = []
  const reader: LogReader = {
    async read(path) {
      if (path === "checkpoint") {
        if (held === undefined) held = await source.read(path)
        return held
      }
      const bytes = await source.read(path)
      if (bytes !== null && path.startsWith("tile/entries/")) own.push(...ownEntries(path, bytes))
      return bytes
    },
  }
  return {
    reader,
    checkpoint: () => (held ? new TextDecoder().decode(held) : undefined),
    entries: () => own,
  }
}

function plainReader(url: string, log?: number): LogReader {
  const reader = httpReader(prefixOf(url, log))
  return {
    read: (path) =>
      reader.read(path).catch((cause: Error) => {
        const { code } = (cause.cause ?? {}) as { code?: unknown }
        const why = typeof code === "string" ? code : cause.message
        throw new CommandError(exits.later, "unreachable", `${url} cannot be read (${why}).`, { cause })
      }),
  }
}

function prefixOf(url: string, log?: number): string {
  if (log !== undefined) return new URL(`/log/${log}`, url).href
  return /\/log(\/\d+)?\/?$/.test(new URL(url).pathname) ? url : new URL("/log", url).href
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function notVerified(message: string): CommandError {
  return new CommandError(exits.notVerified, "not-verified", message)
}
