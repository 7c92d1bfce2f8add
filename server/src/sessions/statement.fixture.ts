import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto"
import { exportJWK, type JWTHeaderParameters, SignJWT } from "jose"
import { type ApplicationsPart, parseApplications } from "./applications.ts"
import { seconds } from "./proof.fixture.ts"

type Claims = { [name: string]: unknown }

/** An application with a key, and statements made with it by jose: nothing of this is ours. */
export type StatingApplication = {
  name: string
  privateKey: KeyObject
  publicKey: KeyObject
  /** Its part of the configuration. */
  part: ApplicationsPart
  /** A statement, right in all that the claims do not change. */
  statement(claims?: Claims, header?: Partial<JWTHeaderParameters>, key?: KeyObject | Uint8Array): Promise<string>
  /** A client assertion, right in all that the claims do not change. */
  assertion(claims?: Claims, header?: Partial<JWTHeaderParameters>, key?: KeyObject | Uint8Array): Promise<string>
}

/** Makes one that may invoke these agents; `alg` is what its key is for. */
export async function statingApplication({
  issuer,
  name = "shop-web",
  agents = ["support-bot"],
  purpose = "answer-questions",
  alg = "ES256" as "ES256" | "EdDSA",
  more = {} as Claims,
}: {
  issuer: string
  name?: string
  agents?: string[]
  purpose?: string
  alg?: "ES256" | "EdDSA"
  more?: Claims
}): Promise<StatingApplication> {
  const { privateKey, publicKey } =
    alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
  const jwk = { ...(await exportJWK(publicKey)), kid: `${name}-1` }
  const times = () => ({ jti: randomUUID(), iat: seconds(), exp: seconds() + 60 })
  const sign = (claims: Claims, header: JWTHeaderParameters, key: KeyObject | Uint8Array) =>
    new SignJWT(claims).setProtectedHeader(header).sign(key)
  return {
    name,
    privateKey,
    publicKey,
    part: parseApplications({ [name]: { description: "The shop's web site", agents, keys: [jwk], ...more } }),
    statement: (claims, header, key = privateKey) =>
      sign(
        { iss: name, sub: agents[0], aud: issuer, safeconduct_purpose: purpose, ...times(), ...claims },
        { typ: "safeconduct-statement+jwt", alg, kid: jwk.kid, ...header },
        key,
      ),
    assertion: (claims, header, key = privateKey) =>
      sign(
        { iss: name, sub: name, aud: issuer, ...times(), ...claims },
        { typ: "client-authentication+jwt", alg, kid: jwk.kid, ...header },
        key,
      ),
  }
}
