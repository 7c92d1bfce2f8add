import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair, SignJWT } from "jose"

/** An issuer of ID tokens on this machine: what token exchange verifies, made as fast as they are asked for. */
export type Issuer = Disposable & {
  issuer: string
  /** An ID token of a user whom that agent may act for, by the provider's own word (RFC 8693 §4.4), with more claims. */
  idToken(sub: string, agent: string, claims?: { [name: string]: string }): Promise<string>
}

/** Serves discovery and keys, and nothing else. */
export async function openIssuer(audience: string): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: "bench", alg: "ES256", use: "sig" }
  const server = createServer((request, response) => {
    const isKeys = request.url === "/jwks"
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(isKeys ? { keys: [jwk] } : metadata()))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const metadata = () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  })
  return {
    issuer,
    idToken: (sub, agent, claims = {}) =>
      new SignJWT({ customer_id: "1001", ...claims, may_act: { sub: agent } })
        .setProtectedHeader({ alg: "ES256", kid: "bench" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(sub)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
    [Symbol.dispose]: () => void server.close(),
  }
}
