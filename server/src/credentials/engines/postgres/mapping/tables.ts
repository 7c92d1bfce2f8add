import { SCHEMA } from "./functions.ts"

/** Names of roles that are leases: another role cannot be told to be somebody's. */
const LEASE_ROLE = "^sc_[0-9a-hjkmnp-tv-z]{8}_[0-9a-hjkmnp-tv-z]{26}$"

/** A table of the mapping, as PostgreSQL's catalogue has it once it was made: `check` compares each. */
export type MappingTable = {
  name: "leases" | "approvals"
  /** Name, type, and whether each line has one. */
  columns: readonly [column: string, type: string, isThere: boolean][]
  /** As pg_get_constraintdef() writes them where names are looked up in pg_catalog, and as they are written where that would not do. */
  constraints: readonly [name: string, definition: string, written?: string][]
}

/** Whose each lease is. A name is bound once, and only a lease's. */
export const leasesTable: MappingTable = {
  name: "leases",
  columns: [
    ["role_name", "name", true],
    ["role_oid", "oid", true],
    ["lease", "text", true],
    ["session", "text", true],
    ["purpose", "text", true],
    ["agent", "text", true],
    ["user_id", "text", false],
    ["issuer", "text", false],
    ["subject", "text", false],
    ["claims", "jsonb", true],
    ["parameters", "jsonb", true],
    ["application", "text", false],
    ["chain", "jsonb", true],
    ["issued_at", "timestamp with time zone", true],
    ["ended_at", "timestamp with time zone", false],
  ],
  constraints: [
    ["leases_pkey", "PRIMARY KEY (role_name)"],
    [
      "leases_role_name",
      `CHECK ((role_name ~ '${LEASE_ROLE}'::text))`,
      `check (role_name operator(pg_catalog.~) '${LEASE_ROLE}')`,
    ],
  ],
}

/** What each lease was approved for, and whether it was done. One line for each approval, whichever lease it is with. */
export const approvalsTable: MappingTable = {
  name: "approvals",
  columns: [
    ["role_name", "name", true],
    ["approval", "text", true],
    ["digest", "text", true],
    ["operation", "text", true],
    ["arguments", "jsonb", true],
    ["bound_at", "timestamp with time zone", true],
    ["used_at", "timestamp with time zone", false],
  ],
  constraints: [
    ["approvals_approval", "UNIQUE (approval)"],
    ["approvals_pkey", "PRIMARY KEY (role_name)"],
    ["approvals_role_name", `FOREIGN KEY (role_name) REFERENCES ${SCHEMA}.leases(role_name) ON DELETE CASCADE`],
  ],
}

/** The statements that make a table, of which nobody has anything. */
export function tableStatements({ name, columns, constraints }: MappingTable): string[] {
  const lines = [
    ...columns.map(([column, type, isThere]) => `${column} ${type}${isThere ? " not null" : ""}`),
    ...constraints.map(([constraint, definition, written = definition]) => `constraint ${constraint} ${written}`),
  ]
  return [
    `create table if not exists ${SCHEMA}.${name} (\n  ${lines.join(",\n  ")})`,
    `revoke all on ${SCHEMA}.${name} from public`,
  ]
}
