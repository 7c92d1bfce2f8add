import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK } from "jose"
import OidcProvider, { type ClientMetadata, type Configuration, type JWK } from "oidc-provider"
import { newKey } from "./provider.fixture.ts"

// What it warns of is that this is no way to run one in earnest.
for (const level of ["info", "warn"] as const) {
  const say = console[level]
  console[level] = (...said: unknown[]) => (String(said[0]).includes("oidc-provider ") ? undefined : say(...said))
}

/** oidc-provider on this machine, where anybody signs in by a name. */
export interface RealProvider extends AsyncDisposable {
  issuer: string
  provider: OidcProvider
  /** Does what the user's browser does at the URL: signs in, agrees, and comes back to the redirect URI. */
  visit(url: string, login?: string): Promise<URL>
}

/** Starts one for these clients. Claims of a person are at UserInfo alone, as OpenID Connect Core §5.4 has it for the code flow. */
export async function startRealProvider(
  clients: ClientMetadata[],
  more: Partial<Configuration> = {},
): Promise<RealProvider> {
  const server = createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { jwk, privateKey } = await newKey("real-1")
  const { d } = await exportJWK(privateKey)
  const provider = new OidcProvider(issuer, {
    clients: clients.map((client) => ({ id_token_signed_response_alg: "ES256", ...client })),
    jwks: { keys: [{ ...jwk, d: d! } as JWK] },
    clientAuthMethods: ["private_key_jwt", "client_secret_post", "client_secret_basic", "none"],
    claims: { openid: ["sub"], shop: ["customer_id", "groups"], acr: null, auth_time: null, sid: null },
    scopes: ["openid", "shop"],
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, customer_id: `customer-${sub}`, groups: ["auditors", "sec-admins"] }),
    }),
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      backchannelLogout: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
    },
    // The library's own refuses addresses of this machine, from which our key set comes here.
    fetch: (input, init) => {
      const { dispatcher: _, ...rest } = (init ?? {}) as RequestInit & { dispatcher?: unknown }
      return fetch(input as string, rest)
    },
    ...more,
  })
  const answer = provider.callback()
  server.on("request", (request, response) => void answer(request, response))
  return {
    issuer,
    provider,
    visit: (url, login = "alice") => visit(issuer, url, login),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}

async function visit(issuer: string, start: string, login: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = new URL(start)
  let form: URLSearchParams | null = null
  for (let steps = 0; steps < 12; steps += 1) {
    if (url.origin !== issuer) return url
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const response: Response = await fetch(url, {
      redirect: "manual",
      headers: { cookie },
      ...(form === null ? {} : { method: "POST", body: form }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      cookies.set(name!, value!)
    }
    const location = response.headers.get("location")
    const page = await response.text()
    if (location !== null) {
      url = new URL(location, url)
      form = null
      continue
    }
    if (!url.pathname.startsWith("/interaction/")) throw new Error(`the provider says ${response.status}: ${page}`)
    form = new URLSearchParams(page.includes('value="consent"') ? { prompt: "consent" } : { prompt: "login", login })
  }
  throw new Error("the sign-in does not end")
}
