import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto"
import { z } from "zod"
import type { Json } from "#kernel"
import type { Algorithm } from "./profiles.ts"
import { algorithmsOf } from "./signed.ts"

/** A public key of a provider, and what tokens may be signed by it. */
export type ProviderKey = { kid: string | null; algorithms: readonly Algorithm[]; key: KeyObject }

const setSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional() })).max(64) })

/** Members of a key that is shared or private (RFC 7518 §6.2.2, §6.3.2, §6.4). */
const SECRET = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

/**
 * The keys of a JWK Set (RFC 7517 §5) that sign tokens. Throws an Error for a set that nobody can be sure of: it holds a key
 * that is not public, or one name for two keys. A key for something else, or of a kind that is not known here, is left out.
 */
export function readKeySet(value: Json): ProviderKey[] {
  const { keys: jwks } = setSchema.parse(value)
  // A set with a shared key in it is how a public key comes to be taken for a password (RFC 8725 §2.1).
  if (jwks.some((jwk) => jwk.kty === "oct" || SECRET.some((member) => member in jwk))) {
    throw new Error("the key set holds a key that is not public")
  }
  const keys = jwks.flatMap((jwk) => readKey(jwk) ?? [])
  const names = keys.flatMap(({ kid }) => kid ?? [])
  if (new Set(names).size !== names.length) throw new Error("the key set has two keys of one name")
  return keys
}

/**
 * The key that a token was signed by, by the name that its header gives. A token without a name is by the only key for its
 * algorithm (OpenID Connect Core §10.1); where there are more, by none.
 */
export function pick(keys: readonly ProviderKey[], algorithm: Algorithm, kid: unknown): KeyObject | null {
  const fitting = keys.filter(({ algorithms }) => algorithms.includes(algorithm))
  const named = kid === undefined ? fitting : fitting.filter((each) => each.kid === kid)
  return named.length === 1 ? named[0]!.key : null
}

function readKey(jwk: { [name: string]: unknown }): ProviderKey | null {
  const { use, key_ops: operations, alg, kid } = jwk
  if (use !== undefined && use !== "sig") return null
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return null
  const key = importKey(jwk)
  if (key === null) return null
  const able = algorithmsOf(key).filter((each) => alg === undefined || alg === each)
  return able.length === 0 ? null : { kid: typeof kid === "string" ? kid : null, algorithms: able, key }
}

function importKey({ kty, crv, n, e, x, y }: { [name: string]: unknown }): KeyObject | null {
  try {
    // Only what makes the key: a certificate beside it (x5c, x5u) says nothing here.
    return createPublicKey({ key: { kty, crv, n, e, x, y } as JsonWebKey, format: "jwk" })
  } catch {
    return null
  }
}
