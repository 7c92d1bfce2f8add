import { z } from "zod"
import { parseWith } from "./action-details.ts"

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "a name is a-z, 0-9 and hyphens")

/** A public key as a JWK (RFC 7517), of the two algorithms that statements are signed with. No private member is taken. */
const publicKey = z.union([
  z.strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    y: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    kid: z.string().min(1).max(200),
    alg: z.literal("ES256").optional(),
    use: z.literal("sig").optional(),
  }),
  z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    kid: z.string().min(1).max(200),
    alg: z.enum(["EdDSA", "Ed25519"]).optional(),
    use: z.literal("sig").optional(),
  }),
])

const applicationSchema = z.strictObject({
  /** Shown to people: what they talk to. */
  description: z.string().trim().min(1).max(500),
  /** Agents that it may invoke. */
  agents: z.array(z.string().max(63)).max(100).default([]),
  /** By provider: values of `aud` or `azp` of the tokens that its users' sign-ins leave it with. */
  providers: z.record(name, z.array(z.string().min(1).max(500)).min(1).max(16)).default({}),
  /** Keys that sign its statements, which are what its users asked for, and the assertions that it authenticates with. */
  keys: z
    .array(publicKey)
    .max(8)
    .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "two keys have one kid")
    .default([]),
  /** Resources that it guards itself: of tokens that allow something there it may ask what they are (RFC 7662). */
  resources: z.array(z.string().max(200)).max(100).default([]),
})

/** The `applications` of safeconduct.yaml. */
export const applicationsSchema = z.record(name, applicationSchema)

/** A program that users talk to, registered with keys that are no agent's. */
export type ApplicationDefinition = z.infer<typeof applicationSchema>

/** An application under its name. */
export type Application = ApplicationDefinition & { name: string }

/** The `applications` part of a configuration, defaults filled in. */
export type ApplicationsPart = { [name: string]: ApplicationDefinition }

/** Checks the value of `applications:`. Throws `policy-invalid` with the place in `detail.path`; unknown fields are refused. */
export function parseApplications(value: unknown): ApplicationsPart {
  return parseWith(applicationsSchema, value ?? {}, "applications")
}
