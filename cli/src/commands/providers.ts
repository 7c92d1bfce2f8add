import type { Command } from "commander"
import { atServer, done, list, noun, pathOf, remote, styleOf } from "../command.ts"
import { printRow, printRows, type Row } from "../output.ts"
import { readSecret } from "../secrets.ts"

const COLUMNS = ["name", "issuer", "profile", "clientAuthentication", "problem"]

/** Where users sign in: whether each provider answers, and handing over the secret by which it knows us. */
export function addProviders(sessions: Command): void {
  const providers = noun(sessions, "providers", "Look at OpenID providers, and hand over client secrets")

  remote(providers, "list", "List the providers in force, each asked whether it answers", [
    "safeconduct sessions providers list",
  ]).action(async (_options, command: Command) => {
    const path = "/v1/sessions/providers"
    const rows = await atServer(command, "Asking the providers", (server) => list(server, path, "providers"))
    printRows(rows, COLUMNS, styleOf(command))
  })

  remote(providers, "configure <provider>", "Hand over the client secret by which a provider knows us", [
    "safeconduct sessions providers configure shop --secret - < secret.txt",
  ])
    .option("--secret <->", 'read the secret from standard input ("-")')
    .option("--secret-file <file>", "read the secret from a file")
    .action(async (provider: string, options: { secret?: string; secretFile?: string }, command: Command) => {
      const secret = await readSecret({
        what: "the client secret",
        flag: options.secret,
        flagName: "--secret",
        file: options.secretFile,
      })
      const path = pathOf("v1", "sessions", "providers", provider, "secret")
      const answer = await atServer(command, "Handing the secret over", (server) =>
        server.json<Row>({ method: "PUT", path, body: { secret } }),
      )
      if (styleOf(command).isJson) printRow(answer, styleOf(command))
      done(`${provider} has its secret, for the issuer and client in force.`, "safeconduct sessions providers list")
    })
}
