import { stat, writeFile } from "node:fs/promises"
import type { Transport } from "@safeconduct/sdk"
import { exportLog, formatProof, parseProof } from "@safeconduct/tlog"
import { folderWriter } from "@safeconduct/tlog/folder"
import type { Command } from "commander"
import { atServer, done, noun, pathOf, queryOf, remote, styleOf, wholeNumber } from "../command.ts"
import { usage } from "../exit.ts"
import { namedReader } from "../log-readers.ts"
import { printRow, printRows, type Row, writeOut } from "../output.ts"
import { addRotate } from "./rotate-log.ts"
import { addVerify } from "./verify.ts"

/** An entry as the server shows it: `text` is the very bytes that were hashed. */
type Entry = { index: number; id: string; leaf: Row; text: string }

type ListOptions = { log?: number; from?: number; limit: number; event?: string; session?: string }

const COLUMNS = ["index", "at", "event", "by", "session", "resource", "operation"]

/** The record: reading it, proving from it, and verifying it. */
export function addAudit(program: Command): void {
  const audit = noun(program, "audit", "Read, prove and verify the record")
  addVerify(audit)
  addRotate(audit)

  remote(audit, "list", "List entries in order", [
    "safeconduct audit list --limit 20",
    "safeconduct audit list --session session_… --json",
    "safeconduct audit list --event credentials.lease-revoked",
  ])
    .option("--log <number>", "of a closed log instead of the one that goes on", wholeNumber(1))
    .option("--from <index>", "the first entry's index", wholeNumber(0))
    .option("--limit <count>", "entries at the most", wholeNumber(1), 100)
    .option("--event <name>", "only entries of one event")
    .option("--session <session>", "only entries of one session")
    .action(async (options: ListOptions, command: Command) => {
      const entries = await atServer(command, "Reading", (server) => readEntries(server, options))
      const style = styleOf(command)
      printRows(style.isJson ? entries : entries.map(columnsOf), COLUMNS, style)
    })

  remote(audit, "show <entry>", "Show one entry, with what is left of its personal values", [
    "safeconduct audit show entry_…",
  ]).action(async (id: string, _options, command: Command) => {
    const style = styleOf(command)
    const entry = await atServer(command, "Reading", (server) => entryOf(server, id))
    printRow(style.isJson ? entry : { index: entry.index, ...entry.leaf }, style)
  })

  remote(audit, "receipt <entry>", "Get a proof that an entry is in the record, good offline and for ever", [
    "safeconduct audit receipt entry_… > entry.tlog-proof",
    "safeconduct audit receipt entry_… --out entry.tlog-proof",
  ])
    .option("--out <file>", "write it to a file")
    .action(async (id: string, options: { out?: string }, command: Command) => {
      const [proof, entry] = await atServer(command, "Proving", (server) =>
        Promise.all([receiptOf(server, id), entryOf(server, id)]),
      )
      // C2SP tlog-proof's `extra` carries the entry along: nobody signs it, its hash has to fit.
      const receipt = formatProof({ ...parseProof(proof), extra: new TextEncoder().encode(entry.text) })
      if (options.out === undefined) process.stdout.write(receipt)
      else await writeFile(options.out, receipt)
      done(`The receipt of entry ${entry.index}.`, `safeconduct audit verify ${options.out ?? "<file>"}`)
    })

  remote(
    audit,
    "export <folder>",
    "Copy the record as files: any static server can serve it, any C2SP verifier check it",
    [
      "safeconduct audit export ./log && safeconduct audit verify ./log",
      "safeconduct audit export ./log-1 --log 1    # one that was closed",
    ],
  )
    .option("--log <number>", "a closed log instead of the one that goes on", wholeNumber(1))
    .action(async (folder: string, { log }: { log?: number }, command: Command) => {
      const found = await stat(folder).catch(() => null)
      if (found?.isDirectory() === false) throw usage(`${folder} is a file; name a folder.`)
      const { origin, size } = await atServer(command, "Exporting", (server) =>
        exportLog(namedReader(server, log?.toString()), folderWriter(folder)),
      )
      if (styleOf(command).isJson) printRow({ folder, origin, size }, styleOf(command))
      done(`${size} entries of ${origin} are in ${folder}.`, `safeconduct audit verify ${folder}`)
    })

  remote(audit, "key", "Print the public key that checkpoints verify with; two while one takes over from the other", [
    "safeconduct audit key > log.vkey",
  ]).action(async (_options, command: Command) => {
    const answer = await atServer(command, "Asking", (server) =>
      server.json<{ origin: string; vkeys: string[] }>({ method: "GET", path: "/v1/audit/key" }),
    )
    if (styleOf(command).isJson) printRow(answer, styleOf(command))
    else for (const vkey of answer.vkeys) writeOut(vkey)
  })
}

const PAGE = 256

async function readEntries(server: Transport, { log, from, limit, event, session }: ListOptions): Promise<Entry[]> {
  const entries: Entry[] = []
  let next: number | null = from ?? 0
  while (next !== null && entries.length < limit) {
    const count = String(Math.min(PAGE, limit - entries.length))
    const query = { log: log?.toString(), from: String(next), limit: count, event, session }
    const path = `/v1/audit/entries${queryOf(query)}`
    const page: { entries: Entry[]; next: number | null } = await server.json({ method: "GET", path })
    entries.push(...page.entries)
    next = page.next
  }
  return entries
}

function entryOf(server: Transport, id: string): Promise<Entry> {
  return server.json<Entry>({ method: "GET", path: pathOf("v1", "audit", "entries", id) })
}

async function receiptOf(server: Transport, id: string): Promise<string> {
  const { bytes } = await server.send({ method: "GET", path: pathOf("v1", "audit", "receipts", id) })
  return bytes.toString("utf8")
}

/** An entry in the columns of a list. */
function columnsOf({ index, leaf }: Entry): Row {
  const action = leaf["action"] as Row | undefined
  const data = leaf["data"] as Row | undefined
  return {
    ...leaf,
    index,
    resource: action?.["resource"] ?? data?.["resource"],
    operation: action?.["operation"] ?? data?.["operation"],
  }
}
