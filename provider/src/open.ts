import { generateKeyPairSync, randomUUID } from "node:crypto"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { env } from "node:process"
import OidcProvider, { type JWK } from "oidc-provider"
import type { Client } from "./client.ts"
import { requireLoopback } from "./loopback.ts"
import { type Memory, openMemory } from "./memory.ts"
import { people as everybody, type Person } from "./people.ts"
import { settingsFor } from "./settings.ts"
import { serveSignIn } from "./sign-in.ts"

/** What a provider is started with. */
export type ProviderOptions = {
  /** Who may send people here. */
  clients: readonly Client[]
  /** Who can sign in; Alice, Bob and Olga unless told. */
  people?: readonly Person[]
  /** An address that only this machine reaches; 127.0.0.1 unless told. */
  address?: string
  /** Any free one unless told. */
  port?: number
  /** Is told what went wrong inside, and which client did not take a logout token; nobody unless told. */
  onProblem?: (problem: Error) => void
}

/** An OpenID provider that runs. */
export type Provider = {
  /** What is compared as an exact string; its metadata are at `/.well-known/openid-configuration` below. */
  issuer: string
  people: readonly Person[]
  /**
   * Ends every sign-in of a person here, as an administrator of a provider would, and tells the clients (back-channel
   * logout). Rejects if one of them did not take it; the sign-ins have ended nevertheless.
   */
  signOut(sub: string): Promise<void>
}

/** Starts a provider with keys of its own. It keeps nothing: whoever is signed in is not after a restart. */
export async function openProvider(options: ProviderOptions): Promise<Provider & AsyncDisposable> {
  const { clients, people = everybody, address = "127.0.0.1", onProblem = () => undefined } = options
  requireLoopback(address)
  if (env["NODE_ENV"] === "production")
    throw new Error(
      "NODE_ENV says production: this provider signs anybody in without a password, so it does not start.",
    )
  await using stack = new AsyncDisposableStack()
  const server = createServer()
  server.listen(options.port ?? 0, address)
  await once(server, "listening")
  stack.defer(() => close(server))

  const { port } = server.address() as AddressInfo
  const host = `${address.includes(":") ? `[${address}]` : address}:${port}`
  const memory = openMemory()
  const provider = new OidcProvider(`http://${host}`, settingsFor({ port, clients, people, keys: [newKey()], memory }))
  provider.on("server_error", (_, error) => onProblem(error))
  provider.on("backchannel.error", (_, error) => onProblem(error))
  serveSignIn(provider, people)
  const answer = provider.callback()
  server.on("request", (request, response) => {
    // A page of another name that was made to lead here would else be of this origin (DNS rebinding).
    if (request.headers.host !== host) return void response.writeHead(421).end(`This is ${host}.\n`)
    void answer(request, response)
  })
  const owned = stack.move()
  return {
    issuer: provider.issuer,
    people,
    signOut: (sub) => signOut(provider, memory, sub),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A client, as oidc-provider's declarations leave it out. */
type Informed = { backchannelLogout(sub: string, sid: string): Promise<void> }

async function signOut(provider: OidcProvider, memory: Memory, sub: string): Promise<void> {
  const told = memory.sessionsOf(sub).map(async (id) => {
    const session = await provider.Session.find(id)
    const clients = Object.entries(session?.authorizations ?? {})
    await session?.destroy()
    for (const [clientId, { sid, grantId }] of clients) {
      if (grantId !== undefined) await provider.AccessToken.revokeByGrantId(grantId)
      const client = await provider.Client.find(clientId)
      if (client?.backchannelLogoutUri !== undefined) await (client as unknown as Informed).backchannelLogout(sub, sid!)
    }
  })
  const failed = (await Promise.allSettled(told)).filter(({ status }) => status === "rejected")
  if (failed.length > 0) {
    const reasons = failed.map((each) => (each as PromiseRejectedResult).reason)
    throw new AggregateError(reasons, `Signed ${sub} out, but a client did not take it.`)
  }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close")
  server.close()
  server.closeAllConnections()
  await closed
}

function newKey(): JWK {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return { ...(privateKey.export({ format: "jwk" }) as JWK), kid: randomUUID(), alg: "ES256", use: "sig" }
}
