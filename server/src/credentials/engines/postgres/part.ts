import { isIP } from "node:net"
import { z } from "zod"
import { commonOperation, commonResource } from "../../described.ts"
import { commonLimits, parsePart, type ResourcePart } from "../../part.ts"

/** How the connection to the resource is protected. */
export type Tls = "verify-full" | "require" | "disable"

/**
 * What one operation is at PostgreSQL: membership in a group role that holds the rights, whether its rules need a user, and whether
 * its functions and triggers ask for an approval.
 */
export type PostgresOperation = { groupRole: string; bindsUser?: boolean; approval?: "required" }

/** A PostgreSQL database in safeconduct.yaml, with every default filled in. */
export type PostgresPart = ResourcePart & {
  engine: "postgres"
  host: string
  port: number
  database: string
  tls: Tls
  /** PEM of the authority that signed the server's certificate; absent: those that Node trusts. */
  ca?: string
  operations: { [operation: string]: PostgresOperation }
  limits: { leases: number; leasesPerSession: number; connectionsPerLease: number; scramIterations: number }
}

// 63 bytes is PostgreSQL's NAMEDATALEN - 1. Names are quoted wherever they are used.
const identifier = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[\x20-\x7e]+$/, "printable ASCII only")

/** A resource of engine `postgres` in safeconduct.yaml. */
export const postgresSchema = z
  .strictObject({
    engine: z.literal("postgres"),
    ...commonResource,
    host: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, "a host name or an IP address"),
    port: z.int().min(1).max(65_535).default(5432),
    database: identifier,
    tls: z.enum(["verify-full", "require", "disable"]).default("verify-full"),
    ca: z.string().startsWith("-----BEGIN CERTIFICATE-----").optional(),
    operations: z
      .record(
        z.string().regex(/^[a-z][a-z0-9-]*$/),
        z.strictObject({
          groupRole: identifier,
          bindsUser: z.boolean().optional(),
          approval: z.literal("required").optional(),
          ...commonOperation,
        }),
      )
      .refine((operations) => Object.keys(operations).length > 0, "at least one operation"),
    limits: z
      .strictObject({
        ...commonLimits,
        connectionsPerLease: z.int().min(1).max(1_000).default(5),
        // A random 256-bit password gains nothing from stretching; some drivers refuse fewer than 4096.
        scramIterations: z.union([z.literal(1), z.literal(4096)]).default(4096),
      })
      .prefault({}),
  })
  .refine((part) => part.tls !== "disable" || isLoopback(part.host), {
    path: ["tls"],
    message: "only a loopback host may do without TLS",
  })

/** Checks a resource of engine `postgres`. Throws `policy-invalid`. */
export function parsePostgres(value: unknown, at: string): PostgresPart {
  return parsePart(postgresSchema, value, at) as PostgresPart
}

/** True for addresses that never leave the machine. A name counts only as `localhost` (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.")
  return host === "::1" || host === "localhost"
}
