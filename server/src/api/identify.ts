import type { TLSSocket } from "node:tls"
import type { Agents, Principal } from "#agents"
import { Refusal } from "#kernel"
import type { Sessions, TokenClaims } from "#sessions"
import type { ApiRoute } from "./application.ts"
import type { Limiter } from "./limiter.ts"
import type { Peers } from "./peer.ts"
import { bearerToken, type TokenVerifier, tokenOf } from "./token.ts"

/** A request, as far as it may say who calls. `body` reads the body, once. */
export type Shown = { request: Request; route: ApiRoute; socket: TLSSocket; body: () => Promise<unknown> }

/** What a request showed. Whose it is may change while its body arrives, so that is asked twice. */
export type Presented = {
  /** Null when nobody was named. Throws what the caller lacks. */
  judge(): Promise<Principal | null>
  /** Claims of the access token that came along, for the caller that was judged; null without one. Throws `token-invalid`. */
  claims(caller: Principal): Promise<TokenClaims | null>
}

/** How a listener finds out who calls. */
export type Identification = {
  /** Scheme of the challenges of this listener (RFC 9110 §11.6.1). */
  scheme: "Bearer" | "DPoP"
  /** What a caller that named nobody has to do. */
  hint: string
  present(shown: Shown): Promise<Presented>
  /** True where present() bounds token requests itself, because one address stands for everybody. */
  takesTurns?: true
  /** What goes with every answer to whoever had to say who it is. */
  headers?: () => Readonly<Record<string, string>>
}

/** SVIDs may have expired a while ago where it is about their renewal. */
const forRenewal = ({ path }: ApiRoute) => path === "/v1/agents/renewals"

/** By the client certificate of the connection. A token that comes along is not ignored: it must be good there. */
export function byCertificate({ peers, tokens, limits }: CertificateParts): Identification {
  /** Behind one address may be many agents, and one of them may act for many users. */
  const takeTurn = async (socket: TLSSocket) => {
    const caller = await peers.identify(socket).catch(() => null)
    if (caller === null) limits?.strangers.take(socket?.remoteAddress ?? "")
    else limits?.known.take(caller.instance)
  }
  return {
    scheme: "Bearer",
    ...(limits && { takesTurns: true }),
    hint: "This route needs a client certificate (an SVID). Enrol with a join token first.",
    async present({ request: { headers }, route, socket }) {
      if (route.bodyType === "form") await takeTurn(socket)
      return {
        judge: () => peers.identify(socket, { forRenewal: forRenewal(route) }),
        async claims(caller) {
          const header = headers.get("authorization")
          if (route.bodyType === "form") {
            refuseSecondMethod(headers)
            // RFC 9449 §5 would bind the token to the proof's key, and RFC 8705 §3 to the certificate: never both.
            if (headers.has("dpop"))
              throw new Refusal("invalid-request", "Tokens are bound to the certificate here; leave DPoP out.")
            return null
          }
          return header === null ? null : await bearerToken(header, caller, tokens)
        },
      }
    },
  }
}

/** Bounds token requests: of whoever has shown an enrolled key before, by that key, and of strangers by their address. */
export type TokenLimits = { known: Limiter; strangers: Limiter }

/** What identification by certificate stands on. Without limits whoever serves it bounds each address. */
export type CertificateParts = { peers: Peers; tokens?: TokenVerifier; limits?: TokenLimits }

/** What identification by proof stands on. */
export type ProofParts = { agents: Pick<Agents, "identifyKey" | "knows">; sessions: ProofReader; limits: TokenLimits }

/** By the enrolled key: a DPoP proof with each request (RFC 9449), and a client assertion where a token is asked for. */
export function byProof({ agents, sessions, limits }: ProofParts): Identification {
  const proofOf = ({ request: { headers, method, url } }: Shown) => ({
    jwt: headers.get("dpop"),
    method,
    path: new URL(url).pathname,
  })

  /** RFC 7523 §3, OpenID Connect Core §9: the key is known by the proof, the name must be its own. */
  const byAssertion = async (shown: Shown): Promise<Presented> => {
    refuseSecondMethod(shown.request.headers)
    const form = await shown.body()
    const assertion = sessions.readAssertion(proofOf(shown), form)
    // Whatever ends TLS in front of us asks for everybody: a key that we know has turns of its own, which no stranger can
    // use up. Strangers share the address's, and get no reading of the database beyond it.
    const { proof } = assertion
    if (agents.knows(proof)) limits.known.take(proof.jkt)
    else limits.strangers.take(shown.socket?.remoteAddress ?? "")
    const { grant_type: grant, safeconduct_session: session } = form as { [name: string]: unknown }
    const isForOwnToken = grant === "client_credentials" && session === undefined
    const judge = async () => {
      // With a token of its own an agent can renew an SVID that has expired; everything else asks again.
      const principal = await agents.identifyKey(proof, { forRenewal: isForOwnToken })
      if (principal.spiffeId === assertion.client) return principal
      throw new Refusal("identity-unknown", "The client assertion names another agent than the one that the key is of.")
    }
    // A stranger's assertion takes no room in what is remembered.
    await judge()
    await sessions.useAssertion(assertion)
    return { judge, claims: async () => null }
  }

  return {
    scheme: "DPoP",
    takesTurns: true,
    hint: "This route needs an access token of POST /oauth2/token, and a DPoP proof by the agent's key.",
    headers: () => ({ "dpop-nonce": sessions.dpopNonce() }),
    async present(shown) {
      if (shown.route.bodyType === "form") return await byAssertion(shown)
      const header = shown.request.headers.get("authorization")
      if (header === null) return { judge: async () => null, claims: async () => null }
      const token = tokenOf(header, "DPoP")
      if (token === null) throw new Refusal("token-invalid", "Authorization takes a DPoP token here (RFC 9449 §7.1).")
      const { claims, key } = await sessions.verifyProof(proofOf(shown), token)
      return {
        judge: () => agents.identifyKey(key, { forRenewal: forRenewal(shown.route) }),
        claims: async ({ spiffeId }) => {
          if (claims.client_id === spiffeId) return claims
          throw new Refusal("token-invalid", "The access token is of another agent.")
        },
      }
    },
  }
}

/** What of the sessions room identification takes. */
export type ProofReader = Pick<Sessions, "verifyProof" | "readAssertion" | "useAssertion" | "dpopNonce">

/** RFC 6749 §2.3: not more than one method of authentication in each request. */
function refuseSecondMethod(headers: Headers): void {
  if (!headers.has("authorization")) return
  throw new Refusal("identity-unknown", "The client authenticates otherwise here; leave Authorization out.")
}
