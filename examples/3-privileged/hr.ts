/** What the example stands on: the HR department's database, its provider, and the configuration. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Client, Person } from "@safeconduct/provider"
import {
  applyPrepare,
  type EmbeddedPostgres,
  type Log,
  type PolicyDocument,
  type PrepareSpec,
  readDocument,
} from "@safeconduct/server/programs"
import pg from "pg"

/** The database, prepared. */
export type HrDatabase = {
  /** As its owner. */
  ownerUrl: string
  /** The account that is handed to Safeconduct. */
  root: { username: string; password: string }
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const group = (role: string, requiresApproval: boolean, ...tables: string[]) => ({
  role,
  bindsUser: true,
  requiresApproval,
  schemas: ["public"],
  tables: tables.map((table) => ["public", table] as const),
})

/** What the database's DBA prepares: which operation of safeconduct.yaml reads which tables. What it writes stands in rules.sql. */
export const prepareSpec: PrepareSpec = {
  database: "hr",
  account: "safeconduct",
  groups: [
    group("hr_look", false, "employees", "salaries"),
    group("hr_onboard", false, "employees"),
    group("hr_raise", true, "salaries"),
    group("hr_offboard", true, "employees"),
  ],
  revokesTemporary: true,
}

/** Makes the database as the department has it, prepares it as a DBA would, and adds what holds agents to what was approved. */
export async function prepareHr(base: EmbeddedPostgres, log: Log): Promise<HrDatabase> {
  const urlOf = (database: string) => new URL(`/${database}`, base.superuserUrl).href
  await run(urlOf("postgres"), "create database hr")
  await run(urlOf("hr"), readFileSync(here("./hr.sql"), "utf8"))
  const root = await applyPrepare(urlOf("hr"), prepareSpec, log)
  await run(urlOf("hr"), readFileSync(here("./rules.sql"), "utf8"))
  return { ownerUrl: urlOf("hr"), root: { username: root!.username, password: root!.password.reveal() } }
}

/** Alice, who leads HR, and two others of the company. */
export const people: readonly Person[] = [
  {
    sub: "alice",
    name: "Alice",
    claims: { groups: ["hr", "leads"], email: "alice@works.example", email_verified: true },
  },
  { sub: "bob", name: "Bob", claims: { groups: ["sales"], email: "bob@works.example", email_verified: true } },
  { sub: "olga", name: "Olga", claims: { groups: ["sec-admins"], email: "olga@works.example", email_verified: true } },
]

/** The configuration of this run: safeconduct.yaml cannot know its ports. */
export function documentOf(run: { database: number; issuer: string; callback: string }): PolicyDocument {
  const document = readDocument(here("./safeconduct.yaml")) as PolicyDocument & {
    resources: { hr: { port: number } }
    providers: { hr: { issuer: string } }
    agents: { "hr-agent": { redirectUris: string[] } }
  }
  document.resources.hr.port = run.database
  document.providers.hr.issuer = run.issuer
  document.agents["hr-agent"].redirectUris = [run.callback]
  return document
}

/** The provider's one client: Safeconduct, whose public URL is `issuer`. */
export function clientsOf(issuer: string): Client[] {
  return [
    {
      clientId: "safeconduct",
      name: "Safeconduct",
      redirectUris: [`${issuer}/sign-in/hr/callback`],
      postLogoutRedirectUris: [issuer],
      backchannelLogoutUri: `${issuer}/sign-in/hr/logout`,
      authentication: { method: "private_key_jwt", jwksUri: `${issuer}/.well-known/jwks.json` },
    },
  ]
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
