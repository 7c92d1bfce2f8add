import { enrol, type Identity, openTransport, peerOf, SafeconductError } from "@safeconduct/sdk"
import type { Command } from "commander"
import { type CommonOptions, done, styleOf, verb } from "../command.ts"
import { usage } from "../exit.ts"
import { FILES, inHome } from "../home.ts"
import { keepLogKey } from "../log-keys.ts"
import { printRow, say } from "../output.ts"
import { readSecret } from "../secrets.ts"
import { signIn } from "../sign-in.ts"

/** Options of every command that enrols. */
type EnrolOptions = CommonOptions & { url?: string; joinToken?: string; joinTokenFile?: string; folder?: string }

type LoginOptions = EnrolOptions & { provider?: string; webUrl?: string }

/** `login`, and the same under its noun: `operators enrol`. */
export function addLogin(parent: Command, name = "login"): void {
  const example = name === "login" ? "safeconduct login" : `safeconduct operators ${name}`
  enrolment(parent, name, "Log in as an operator: make a key here and have it certified", [
    `${example} --url https://127.0.0.1:7443 --join-token - < token.txt`,
    `SAFECONDUCT_JOIN_TOKEN=… ${example} --url https://safeconduct.example.com:7443`,
    `${example} --provider corp --web-url https://safeconduct.example.com`,
  ])
    .option("--provider <name>", "sign in at this provider of the configuration, with a browser on this machine")
    .option("--web-url <url>", "with --provider: the server's public URL (SAFECONDUCT_WEB_URL)")
    .action(async (options: LoginOptions, command: Command) => {
      const identity = await loginWith(options)
      await rememberLogKey(identity)
      printRow(shownIdentity(identity), styleOf(command))
      // Under its noun it is for whoever else acts as an operator, with an identity of their own.
      done(
        `Logged in. The key is in ${identity.folder}.`,
        name === "login" ? "safeconduct apply safeconduct.yaml" : undefined,
      )
    })
}

/** Enrols an agent from the shell, for programs that do not use the SDK's own first start. */
export function addAgentEnrol(parent: Command): void {
  enrolment(parent, "enrol", "Enrol an agent instance: make a key here and have it certified", [
    "safeconduct agents enrol --url https://127.0.0.1:7443 --join-token-file token.txt --folder /var/lib/bot/identity",
  ]).action(async (options: EnrolOptions, command: Command) => {
    const identity = await enrolWith(options, process.env["SAFECONDUCT_IDENTITY"] || ".safeconduct/agent")
    printRow(shownIdentity(identity), styleOf(command))
    done(`Enrolled. Point SAFECONDUCT_IDENTITY at ${identity.folder}.`)
  })
}

function enrolment(parent: Command, name: string, summary: string, examples: string[]): Command {
  return verb(parent, name, summary, examples)
    .option("--url <url>", "the server's agents listener (SAFECONDUCT_URL)")
    .option("--join-token <->", 'read the join token from standard input ("-"); or set SAFECONDUCT_JOIN_TOKEN')
    .option("--join-token-file <file>", "read the join token from a file")
    .option("--folder <folder>", "where to keep the identity")
}

/** With a token for whoever has one; with a browser for who signs in at a provider, and then for eight hours at the most. */
async function loginWith({ provider, webUrl, ...options }: LoginOptions): Promise<Identity> {
  const folder = options.folder ?? inHome(FILES.operator)
  if (provider === undefined) {
    if (webUrl !== undefined) throw usage("--web-url goes with --provider.")
    return await enrolWith(options, folder)
  }
  const { url, joinToken, joinTokenFile } = options
  if ([url, joinToken, joinTokenFile].some((each) => each !== undefined)) {
    throw usage("--provider signs in with a browser: it takes --web-url, and neither --url nor a join token.")
  }
  const at = webUrl ?? process.env["SAFECONDUCT_WEB_URL"]
  if (!at) throw usage("Say where the server is: --web-url https://host, or SAFECONDUCT_WEB_URL.")
  return await signIn({ provider, webUrl: at, folder })
}

async function enrolWith(options: EnrolOptions, defaultFolder: string): Promise<Identity> {
  const url = options.url ?? process.env["SAFECONDUCT_URL"]
  if (!url) throw usage("Say where the server is: --url https://host:7443, or SAFECONDUCT_URL.")
  const joinToken = await readSecret({
    what: "the join token",
    flag: options.joinToken,
    flagName: "--join-token",
    file: options.joinTokenFile,
    variable: "SAFECONDUCT_JOIN_TOKEN",
  })
  return await enrol({ url, joinToken, folder: options.folder ?? defaultFolder })
}

/** Keeps the log's public key, so that `audit verify` needs nobody's word later. */
export async function rememberLogKey(identity: Identity): Promise<void> {
  using transport = openTransport(peerOf(identity))
  try {
    const { vkey } = await transport.json<{ vkey: string }>({ method: "GET", path: "/v1/audit/key" })
    await keepLogKey(vkey)
  } catch (error) {
    if (!(error instanceof SafeconductError)) throw error
    say(`warning: the log's public key could not be kept: ${error.message}`)
  }
}

function shownIdentity({ spiffeId, instance, folder, url, notAfterMs }: Identity) {
  return { spiffeId, instance, folder, url, notAfter: new Date(notAfterMs).toISOString() }
}
