import { CommandError, exits } from "./exit.ts"
import { loadProvider } from "./programs.ts"

/** What `dev`'s provider is, as safeconduct.yaml names it: `providers.shop`, with our client `safeconduct`. */
export const PROVIDER = { name: "shop", clientId: "safeconduct", port: 7430 } as const

/** What the provider beside a server depends on. */
export type BesideOptions = {
  /** False: none is wanted. */
  provider: boolean
  providerPort: number
  /** The server's public URL, where it is not the web address. */
  issuer: string | undefined
  log: { warn(message: string, facts?: Record<string, unknown>): void }
}

/**
 * The embedded provider beside a server for development, in a process of its own that ends with this one; null where none is wanted, or
 * none is installed. The server is its client by the keys that it publishes, and knows of it what safeconduct.yaml says.
 */
export async function openProviderBeside(
  { webUrl }: { webUrl: string },
  { provider, providerPort: port, issuer, log }: BesideOptions,
): Promise<(AsyncDisposable & { issuer: string }) | null> {
  const found = provider ? await loadProvider() : null
  if (found === null) {
    if (provider) log.warn("there is no embedded provider: @safeconduct/provider is not installed")
    return null
  }
  const urls = [...new Set([webUrl, issuer ?? webUrl])]
  const at = (path: string) => urls.map((url) => `${url}${path}`)
  const started = found.startProvider({
    port,
    clients: [
      {
        clientId: PROVIDER.clientId,
        name: "Safeconduct",
        redirectUris: at(`/sign-in/${PROVIDER.name}/callback`),
        postLogoutRedirectUris: at("/me"),
        backchannelLogoutUri: `${webUrl}/sign-in/${PROVIDER.name}/logout`,
        authentication: { method: "private_key_jwt", jwksUri: `${webUrl}/.well-known/jwks.json` },
      },
    ],
    onProblem: (problem) => log.warn("the embedded provider", { said: problem }),
  })
  return await started.catch((cause: unknown) => {
    const said = cause instanceof Error ? cause.message : String(cause)
    const message = `${said.replace(/\.?$/, ".")} Give another --provider-port, or --no-provider.`
    throw new CommandError(exits.failed, "provider-not-started", message, { cause })
  })
}
