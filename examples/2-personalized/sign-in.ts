import { createHash, randomBytes } from "node:crypto"

/** An OpenID provider, and what the shop is there. */
export type ShopProvider = { issuer: string; clientId: string; clientSecret: string; redirectUri: string }

/** A customer, as the provider says who they are; `idToken` proves it to others for a few minutes. */
export type Customer = { id: string; sub: string; name: string; idToken: string }

/** A sign-in that waits for its answer. */
export type SignIn = { url: string; state: string; nonce: string; verifier: string }

/** Where the browser is to go: OpenID Connect Core §3.1, with PKCE. */
export async function beginSignIn({ issuer, clientId, redirectUri }: ShopProvider): Promise<SignIn> {
  const random = () => randomBytes(32).toString("base64url")
  const [state, nonce, verifier] = [random(), random(), random()]
  const url = new URL((await metadataOf(issuer)).authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    scope: "openid profile",
    redirect_uri: redirectUri,
    state,
    nonce,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }).toString()
  return { url: url.href, state, nonce, verifier }
}

/** Who came back. The ID token is had from the provider itself, which §3.1.3.7 (6) takes in the place of its signature. */
export async function finishSignIn(
  { issuer, clientId, clientSecret, redirectUri }: ShopProvider,
  { state, nonce, verifier }: SignIn,
  answer: URLSearchParams,
): Promise<Customer> {
  if (answer.get("state") !== state) throw new Error("This sign-in is not yours.")
  const response = await fetch((await metadataOf(issuer)).token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: answer.get("code") ?? "",
      redirect_uri: redirectUri,
      code_verifier: verifier,
      client_id: clientId,
      client_secret: clientSecret,
    }),
  })
  const { id_token: idToken = "" } = (await response.json()) as { id_token?: string }
  const claims = JSON.parse(Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString() || "{}")
  // §2: one audience may be written as a list.
  const isOurs = [claims.aud].flat().join() === clientId
  if (claims.iss !== issuer || !isOurs || claims.nonce !== nonce) {
    throw new Error("The provider signed nobody in.")
  }
  return { id: String(claims.customer_id), sub: String(claims.sub), name: String(claims.name), idToken }
}

type Metadata = { authorization_endpoint: string; token_endpoint: string }

async function metadataOf(issuer: string): Promise<Metadata> {
  return (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Metadata
}
