import { createPrivateKey, type JsonWebKey, KeyObject, randomUUID, sign } from "node:crypto"
import { SafeconductError } from "./errors.ts"

/** The key that an application signs its statements with: P-256 or Ed25519, and never an agent's. */
export type StatementKey = {
  privateKey: KeyObject | JsonWebKey
  /** What its public part is called in safeconduct.yaml. */
  kid: string
}

/** What a user asks for, as the application that they talk to heard it. */
export type StatementRequest = {
  /** Public URL of the server. */
  issuer: string
  /** Name of the application in safeconduct.yaml. */
  application: string
  /** Name of the agent that is to do it. */
  agent: string
  purpose: string
  /** Who they are signed in as, by their ID token: then the statement is worth nothing beside another user's token. */
  user?: { iss: string; sub: string }
  /** The user's own words, 2,000 characters at the most; what an agent understood of them is not theirs. */
  request?: string
  /** Values of parameters that the purpose declares, such as the order that the user was looking at. */
  parameters?: Readonly<Record<string, string | number | boolean>>
}

const LIFE_SECONDS = 120

/**
 * A statement, for applications: signed where the user is known and the agent is not. The agent passes it on with its request
 * and can write none itself. It is good once, within two minutes. Throws `not-configured` for a key of another kind.
 */
export function signStatement({ privateKey, kid }: StatementKey, statement: StatementRequest): string {
  const key = privateKey instanceof KeyObject ? privateKey : createPrivateKey({ key: privateKey, format: "jwk" })
  const { issuer, application, agent, purpose, user, request, parameters } = statement
  const iat = Math.floor(Date.now() / 1000)
  const header = { typ: "safeconduct-statement+jwt", alg: algorithmOf(key), kid }
  const claims = {
    ...{ iss: application, aud: issuer, sub: agent, safeconduct_purpose: purpose },
    ...(user !== undefined && { safeconduct_user: { iss: user.iss, sub: user.sub } }),
    ...(request !== undefined && { safeconduct_request: request }),
    ...(parameters !== undefined && { safeconduct_parameters: parameters }),
    ...{ jti: randomUUID(), iat, exp: iat + LIFE_SECONDS },
  }
  const input = `${encode(header)}.${encode(claims)}`
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256"
  // RFC 7518 §3.4: two numbers, not DER.
  const signature = sign(digest, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" })
  return `${input}.${signature.toString("base64url")}`
}

function algorithmOf({ type, asymmetricKeyType, asymmetricKeyDetails }: KeyObject): "ES256" | "EdDSA" {
  if (type === "private" && asymmetricKeyType === "ed25519") return "EdDSA"
  const isP256 = asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1"
  if (type === "private" && isP256) return "ES256"
  throw new SafeconductError("not-configured", "A statement is signed with a private key on P-256, or of Ed25519.")
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url")
}
