import { readFile, writeFile } from "node:fs/promises"
import type { CardSeen, VerifiedApproval } from "@safeconduct/server/programs"
import type { Command } from "commander"
import { atServer, done, list, pathOf, remote, styleOf, verb } from "../command.ts"
import { CommandError, exits } from "../exit.ts"
import { readLogKeys } from "../log-keys.ts"
import { printable, printRow, printRows, say, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"

/** What proves an approval: getting it, and verifying it without anybody; and keys that wait for somebody to know whose they are. */
export function addEvidence(approvals: Command): void {
  remote(approvals, "evidence <approval>", "Get everything that proves an approval, good offline and for ever", [
    "safeconduct approvals evidence approval_… > bundle.json",
    "safeconduct approvals evidence approval_… --out bundle.json",
  ])
    .option("--out <file>", "write it to a file")
    .action(async (id: string, { out }: { out?: string }, command: Command) => {
      const { bytes } = await atServer(command, "Proving", (server) =>
        server.send({ method: "GET", path: pathOf("v1", "approvals", id, "evidence") }),
      )
      if (out === undefined) process.stdout.write(bytes)
      else await writeFile(out, bytes)
      done("The evidence of one approval.", `safeconduct approvals verify ${out ?? "<file>"}`)
    })

  verb(approvals, "verify <file>", "Verify such evidence offline: who approved, what they saw, for which agent", [
    "safeconduct approvals verify bundle.json",
    "safeconduct approvals verify bundle.json --log-key 'example.com/log/1+…' --json",
  ])
    .option(
      "--log-key <vkey>",
      "a public key of the log, or a file of them; may be repeated (default: kept at login)",
      (value: string, before: string[] = []) => [...before, value],
    )
    .action(async (file: string, { logKey }: { logKey?: string[] }, command: Command) => {
      const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
        throw new CommandError(exits.notFound, "not-found", `${file} cannot be read (${cause.code}).`, { cause })
      })
      const vkeys = await readLogKeys(logKey)
      const { verifyApproval } = await loadPrograms()
      const found = await verifyApproval(text, vkeys)
      const style = styleOf(command)
      if (style.isJson) printRow({ ...found }, style)
      else print(found)
      say(`Verified: ${file} proves that ${found.approval} was approved.`)
    })

  remote(approvals, "passkeys", "List passkeys that were added after others were lost, and count later", [
    "safeconduct approvals passkeys",
  ]).action(async (_options, command: Command) => {
    const waiting = await atServer(command, "Asking", (server) =>
      list(server, "/v1/approvals/passkeys/waiting", "passkeys"),
    )
    printRows(waiting, ["id", "user", "enrolledAt", "countsFrom"], styleOf(command))
  })

  remote(approvals, "confirm-passkey <passkey>", "Say that such a passkey is its owner's: it counts from now on", [
    "safeconduct approvals confirm-passkey passkey_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "approvals", "passkeys", id, "confirmation")
    const passkey = await atServer(command, "Confirming", (server) =>
      server.json<Record<string, unknown>>({ method: "POST", path }),
    )
    printRow(passkey, styleOf(command))
    done("The passkey counts from now on.")
  })
}

/** For people: the facts, and each card as it was seen. */
function print({ approval, action, asked, authority, agreed, used }: VerifiedApproval<CardSeen>): void {
  const { agent } = asked
  printRow(
    {
      approval,
      action: `${action.type}:${action.operation} at ${action.resource}`,
      arguments: action.arguments,
      digest: action.digest,
      agent: `${agent.name} (${agent.spiffeId}), instance ${agent.instance}`,
      for: asked.user,
      purpose: asked.purpose,
      session: asked.session,
      chain: asked.chain,
      askedAt: asked.at,
      policies: authority.policies,
      policyVersion: authority.policyVersion,
      used: used === null ? "not yet" : `${used.at}, ${used.entry}`,
      leases: used?.leases ?? [],
      outcome: used?.outcome ?? null,
    },
    { isJson: false },
  )
  for (const { user, identity, way, isSignedByThem, credentialId, at, standsFor, locale, card, bounds } of agreed) {
    const who = identity === null ? user : `${user} (${identity.sub} at ${identity.iss})`
    const how = isSignedByThem ? `signed with the passkey ${credentialId}` : `by ${way}: the word of somebody else`
    writeOut("")
    writeOut(printable(`${who} approved at ${at}, ${how}`))
    for (const [of, member] of Object.entries(standsFor)) writeOut(printable(`for ${of}, in the place of ${member}`))
    if (bounds !== null) writeOut(printable(`within bounds: ${JSON.stringify(bounds)}`))
    writeOut(`What they saw (${locale}):`)
    for (const { text } of card) for (const line of text.split("\n")) writeOut(`  | ${printable(line)}`)
  }
}
