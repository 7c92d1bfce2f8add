/** What the example stands on: the shop's database, the provider that its customers sign in at, and the configuration. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import type { Client } from "@safeconduct/provider"
import {
  applyPrepare,
  type EmbeddedPostgres,
  type Log,
  type PolicyDocument,
  type PrepareSpec,
  readDocument,
} from "@safeconduct/server/programs"
import pg from "pg"

/** The shop's database, prepared. */
export type ShopDatabase = {
  /** As its owner. */
  ownerUrl: string
  /** As the web site. */
  webUrl: string
  /** The account that is handed to Safeconduct; null when it was there before. */
  root: { username: string; password: string }
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const group = (role: string, ...tables: string[]) => ({
  role,
  bindsUser: true,
  schemas: ["public"],
  tables: tables.map((table) => ["public", table] as const),
})

/** What the shop's DBA prepares: which operation of safeconduct.yaml reads which tables. */
export const prepareSpec: PrepareSpec = {
  database: "shop",
  account: "safeconduct",
  groups: [
    group("shop_read", "customers", "orders", "parcels"),
    group("shop_write", "orders"),
    group("shop_track", "orders", "parcels"),
  ],
  revokesTemporary: true,
}

/** Makes the database as the shop has it, prepares it as a DBA would, and adds the rules on whose rows are whose. */
export async function prepareShop(base: EmbeddedPostgres, log: Log): Promise<ShopDatabase> {
  const urlOf = (database: string) => new URL(`/${database}`, base.superuserUrl).href
  const password = randomBytes(24).toString("base64url")
  await run(urlOf("postgres"), "create database shop")
  await run(urlOf("shop"), readFileSync(here("./shop.sql"), "utf8"))
  await run(urlOf("shop"), `alter role shop_web password '${password}'`)
  const root = await applyPrepare(urlOf("shop"), prepareSpec, log)
  await run(urlOf("shop"), readFileSync(here("./rules.sql"), "utf8"))
  const webUrl = new URL(urlOf("shop"))
  webUrl.username = "shop_web"
  webUrl.password = password
  return {
    ownerUrl: urlOf("shop"),
    webUrl: webUrl.href,
    root: { username: root!.username, password: root!.password.reveal() },
  }
}

/** A key that the web site signs statements with; only its public part is registered, and no agent has it. */
export type ApplicationKey = { privateKey: KeyObject; kid: string }

/** A new one. */
export function newApplicationKey(): ApplicationKey {
  return { privateKey: generateKeyPairSync("ed25519").privateKey, kid: randomBytes(8).toString("base64url") }
}

/** What safeconduct.yaml cannot know of one run: ports, and the web site's key. */
export type ThisRun = { database: number; issuer: string; site: number; key: ApplicationKey }

/** The configuration of this run. */
export function documentOf({ database, issuer, site, key }: ThisRun): PolicyDocument {
  const document = readDocument(here("./safeconduct.yaml")) as PolicyDocument & {
    resources: { shop: { port: number } }
    providers: { shop: { issuer: string } }
    applications: { "shop-web": { keys: object[] } }
    agents: { "support-bot": { redirectUris: string[] } }
  }
  document.resources.shop.port = database
  document.providers.shop.issuer = issuer
  document.applications["shop-web"].keys = [
    { ...createPublicKey(key.privateKey).export({ format: "jwk" }), kid: key.kid },
  ]
  document.agents["support-bot"].redirectUris = [callbackOf(site)]
  return document
}

/** Where customers come back to with what they granted to the bot. */
export function callbackOf(site: number): string {
  return `http://127.0.0.1:${site}/bot/callback`
}

/** The provider's two clients: Safeconduct, whose public URL is `issuer`, and the web site. */
export function clientsOf(issuer: string, site: { port: number; secret: string }): Client[] {
  return [
    {
      clientId: "safeconduct",
      name: "Safeconduct",
      redirectUris: [`${issuer}/sign-in/shop/callback`],
      postLogoutRedirectUris: [issuer],
      backchannelLogoutUri: `${issuer}/sign-in/shop/logout`,
      authentication: { method: "private_key_jwt", jwksUri: `${issuer}/.well-known/jwks.json` },
    },
    {
      clientId: "shop-web",
      name: "The shop",
      redirectUris: [`http://127.0.0.1:${site.port}/signed-in`],
      authentication: { method: "client_secret_post", secret: site.secret },
    },
  ]
}

/** A port that nobody has: the provider and the configuration name the web site's before the site is there. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
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
