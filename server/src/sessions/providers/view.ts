import { type Clock, type Database, type Keyring, refusalCode } from "#kernel"
import type { ClientParts } from "./client.ts"
import { parseProviders } from "./part.ts"
import { openProvider, type Provider } from "./provider.ts"
import { secretOf } from "./secrets.ts"

/** A provider as operators see it: how it is configured, and what it answers. */
export type ProviderView = {
  name: string
  issuer: string
  profile: string
  clientId: string
  clientAuthentication: string
  network: string
  /** Null where no secret is needed. */
  hasSecret: boolean | null
  /** What is wrong with it now; null when it answers. */
  problem: string | null
  /** What it says that it can do; null while it does not answer. */
  supports: {
    pushedRequests: boolean
    issuerInResponse: boolean
    introspection: boolean
    backchannelLogout: boolean
    logout: boolean
    authorizationDetails: boolean
  } | null
}

/** The providers of a document, each asked as a server would. Throws `policy-invalid` for what is no `providers` part. */
export async function viewProviders(
  parts: { database: Database; keyring: Keyring; clock: Clock },
  value: unknown,
): Promise<ProviderView[]> {
  const secret: ClientParts["secret"] = (provider) => secretOf(parts, provider)
  const providers = Object.entries(parseProviders(value))
  return await Promise.all(
    providers.map(([name, definition]) => viewOf({ secret }, openProvider(name, definition, parts))),
  )
}

/** Asks a provider for its metadata, and looks whether we have what it knows us by. */
export async function viewOf(parts: Pick<ClientParts, "secret">, provider: Provider): Promise<ProviderView> {
  const { name, definition, profile } = provider
  const { issuer, clientId, clientAuthentication, network } = definition
  const hasSecret = clientAuthentication.startsWith("client_secret") ? await isThere(parts, provider) : null
  const view = { name, issuer, profile: definition.profile, clientId, clientAuthentication, network, hasSecret }
  try {
    const metadata = await provider.metadata()
    return {
      ...view,
      problem: hasSecret === false ? "its client secret is not handed over yet" : null,
      supports: {
        pushedRequests: metadata.pushed_authorization_request_endpoint !== undefined,
        issuerInResponse: metadata.authorization_response_iss_parameter_supported === true,
        introspection: metadata.introspection_endpoint !== undefined,
        backchannelLogout: metadata.backchannel_logout_supported === true,
        logout: metadata.end_session_endpoint !== undefined || profile.logout !== null,
        authorizationDetails: metadata.authorization_details_types_supported?.includes("safeconduct_action") === true,
      },
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown"
    return { ...view, problem: `its metadata cannot be used: ${why}`, supports: null }
  }
}

async function isThere(parts: Pick<ClientParts, "secret">, provider: Provider): Promise<boolean> {
  try {
    await parts.secret(provider)
    return true
  } catch (error) {
    if (refusalCode(error) === "provider-not-configured") return false
    throw error
  }
}
