import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import type { Command } from "commander"
import { styleOf, verb } from "../command.ts"
import { CommandError, exits } from "../exit.ts"
import { printRows, say } from "../output.ts"

/** A configuration to begin with: one purpose, one PostgreSQL, one agent, one policy. Paths are relative to the folder. */
export const STARTER: { readonly [path: string]: string } = {
  "safeconduct.yaml": `# What agents may be for, what there is to protect, and who may do what. Put in force by: safeconduct apply
purposes:
  answer-questions:
    description: Answer visitors' questions from the public knowledge base
    actions: [{ type: safeconduct_action, actions: ["credential:read"], locations: [kb] }]
    # Seconds. A session renews itself while it is used, and never past its hard end.
    session: { lifetimeSeconds: 900, hardEndSeconds: 28800, leaseSeconds: 300 }

resources:
  kb:
    engine: postgres
    host: 127.0.0.1 # your database
    port: 5432
    database: kb
    tls: disable # loopback only; anywhere else: verify-full
    # An operation is membership in a group role: safeconduct credentials postgres prepare kb
    operations: { read: { groupRole: kb_read } }

agents:
  support-bot:
    owner: you@example.com
    description: Answers visitors on the web site
    purposes: [answer-questions]
    # The most that any session of this agent may do, whatever its purpose says.
    ceiling: [{ type: safeconduct_action, actions: ["credential:read"], locations: [kb] }]

policies: ["policies/*.cedar"]
`,
  "policies/kb.cedar": `// Nothing is allowed that no policy permits. https://docs.cedarpolicy.com
@id("support-bot-reads-kb")
@purpose("answer-questions")
permit (
  principal == agents::Agent::"support-bot",
  action == policy::Action::"credential",
  resource == credentials::Resource::"kb"
) when {
  context.operation == "read"
};
`,
}

/** Writes a configuration to begin with; never over a file that is there. */
export function addInit(program: Command): void {
  verb(program, "init", "Write a safeconduct.yaml and a policy to begin with", ["safeconduct init"]).action(
    async (_options, command: Command) => {
      for (const [path, text] of Object.entries(STARTER)) await writeNew(path, text)
      const rows = Object.keys(STARTER).map((file) => ({ file }))
      printRows(rows, ["file"], styleOf(command))
      say("Put your own database and agent in, then: safeconduct apply")
    },
  )
}

async function writeNew(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text, { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
    throw new CommandError(exits.failed, "file-exists", `${path} is there already, and stays as it is.`)
  })
}
