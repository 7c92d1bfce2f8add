import {
  type Identity,
  isBeyondRenewal,
  loadIdentity,
  openTransport,
  peerOf,
  renewIdentity,
  type Transport,
} from "@safeconduct/sdk"
import { CommandError, exits, usage } from "./exit.ts"
import { FILES, inHome } from "./home.ts"
import { say } from "./output.ts"

/** Who we are and where, beside what every command prints. */
export type RemoteOptions = { url?: string; identity?: string }

/**
 * Runs with a transport under the operator's identity, which is renewed when it is past half of its life. Throws
 * `identity-missing` when nobody logged in here.
 */
export async function asOperator<T>(options: RemoteOptions, work: (transport: Transport) => Promise<T>): Promise<T> {
  const identity = await findOperator(options)
  using transport = openTransport(peerOf(identity))
  await renewWhenDue(identity, transport)
  return await work(transport)
}

/** The operator's identity from its folder, talking to `--url` or SAFECONDUCT_URL where given. */
export async function findOperator(options: RemoteOptions): Promise<Identity> {
  const folder = options.identity ?? inHome(FILES.operator)
  const identity = await loadIdentity(folder)
  if (identity === null) {
    const message = `Nobody is logged in (${folder}). Run "safeconduct login --url <url>" with a join token.`
    throw new CommandError(exits.notAuthorised, "identity-missing", message)
  }
  if (isBeyondRenewal(identity, Date.now())) {
    const message = `The login in ${folder} expired more than a day ago. Log in again with a new join token.`
    throw new CommandError(exits.notAuthorised, "svid-expired", message)
  }
  const url = options.url ?? process.env["SAFECONDUCT_URL"]
  return url ? { ...identity, url: originOfUrl(url) } : identity
}

/** An identity is proven by the connection's certificate: there is no plain way to the agents listener. */
function originOfUrl(url: string): string {
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
    throw usage(`"${url}" is not the URL of an agents listener, such as https://127.0.0.1:7443.`)
  }
  return new URL(url).origin
}

async function renewWhenDue(identity: Identity, transport: Transport): Promise<void> {
  const nowMs = Date.now()
  if (nowMs < (identity.notBeforeMs + identity.notAfterMs) / 2) return
  try {
    await renewIdentity(identity, transport)
  } catch (error) {
    // While the SVID is good, the command itself can go on; the next one tries again.
    if (nowMs >= identity.notAfterMs) throw error
    say(`warning: the login could not be renewed: ${(error as Error).message}`)
  }
}
