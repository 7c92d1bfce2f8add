import { createPrivateKey, generateKeyPairSync, type JsonWebKey, randomBytes, sign } from "node:crypto"

/** A key that signs statements; only its public part is registered, and no agent has it. */
export type StatementKey = { privateKey: JsonWebKey; publicKey: JsonWebKey & { kid: string } }

/** What a customer asked for, and which agent is to do it. */
export type Stated = {
  /** Safeconduct's issuer. */
  audience: string
  agent: string
  purpose: string
  /** The customer's own words. */
  request: string
  parameters: { [name: string]: string }
}

/** A new key. */
export function newStatementKey(): StatementKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const kid = randomBytes(8).toString("base64url")
  return {
    privateKey: privateKey.export({ format: "jwk" }),
    publicKey: { ...publicKey.export({ format: "jwk" }), kid },
  }
}

/** A statement that the agent can carry and cannot write. It is good for a minute, and for one use. */
export function signStatement(application: string, { privateKey, publicKey }: StatementKey, stated: Stated): string {
  const iat = Math.floor(Date.now() / 1000)
  const header = { alg: "ES256", typ: "safeconduct-statement+jwt", kid: publicKey.kid }
  const claims = {
    iss: application,
    sub: stated.agent,
    aud: stated.audience,
    jti: randomBytes(16).toString("base64url"),
    iat,
    exp: iat + 60,
    safeconduct_purpose: stated.purpose,
    safeconduct_request: stated.request,
    safeconduct_parameters: stated.parameters,
  }
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")
  const key = createPrivateKey({ key: privateKey, format: "jwk" })
  return `${input}.${sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`
}
