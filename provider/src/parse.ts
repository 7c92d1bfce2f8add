import type { Client, ClientAuthentication } from "./client.ts"
import type { ProviderOptions } from "./open.ts"
import type { Person } from "./people.ts"

type Members = { [name: string]: unknown }

/** Options as JSON: `address`, `port`, `clients` and `people` of ProviderOptions. Throws a sentence on what is wrong. */
export function parseOptions(text: string): ProviderOptions {
  const { address, port, clients, people } = members(json(text), "the configuration", [
    "address",
    "port",
    "clients",
    "people",
  ])
  return {
    clients: list(clients, "clients").map(parseClient),
    ...(people !== undefined && { people: list(people, "people").map(parsePerson) }),
    ...(address !== undefined && { address: string(address, "address") }),
    ...(port !== undefined && { port: parsePort(port) }),
  }
}

function parseClient(value: unknown, nth: number): Client {
  const at = `clients[${nth}]`
  const known = ["clientId", "name", "redirectUris", "postLogoutRedirectUris", "backchannelLogoutUri"]
  const client = members(value, at, [...known, "authentication", "audience"])
  const optional = (name: string) => client[name] !== undefined && { [name]: string(client[name], `${at}.${name}`) }
  const uris = (name: string) => list(client[name] ?? [], `${at}.${name}`).map((uri) => string(uri, `${at}.${name}`))
  return {
    clientId: string(client["clientId"], `${at}.clientId`),
    redirectUris: uris("redirectUris"),
    postLogoutRedirectUris: uris("postLogoutRedirectUris"),
    authentication: parseAuthentication(client["authentication"], `${at}.authentication`),
    ...optional("name"),
    ...optional("backchannelLogoutUri"),
    ...optional("audience"),
  }
}

function parseAuthentication(value: unknown, at: string): ClientAuthentication {
  const { method, secret, jwks, jwksUri } = members(value, at, ["method", "secret", "jwks", "jwksUri"])
  if (method === "none") return { method }
  if (method === "client_secret_post" || method === "client_secret_basic")
    return { method, secret: string(secret, `${at}.secret`) }
  if (method !== "private_key_jwt") throw new Error(`${at}.method is not one that the provider knows.`)
  if (jwksUri !== undefined) return { method, jwksUri: string(jwksUri, `${at}.jwksUri`) }
  const { keys } = members(jwks, `${at}.jwks`, ["keys"])
  return { method, jwks: { keys: list(keys, `${at}.jwks.keys`) as { kty: string }[] } }
}

function parsePerson(value: unknown, nth: number): Person {
  const at = `people[${nth}]`
  const { sub, name, claims } = members(value, at, ["sub", "name", "claims"])
  return {
    sub: string(sub, `${at}.sub`),
    name: string(name, `${at}.name`),
    claims: members(claims ?? {}, `${at}.claims`),
  }
}

function parsePort(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 65_535) return value
  throw new Error("port is a whole number from 0 to 65535.")
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error("The configuration is not JSON.", { cause })
  }
}

function string(value: unknown, at: string): string {
  if (typeof value === "string" && value !== "") return value
  throw new Error(`${at} is a text, and not empty.`)
}

function list(value: unknown, at: string): unknown[] {
  if (Array.isArray(value)) return value
  throw new Error(`${at} is a list.`)
}

/** An object; with no other members than these, if told. */
function members(value: unknown, at: string, known?: readonly string[]): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${at} is an object.`)
  const unknown = Object.keys(value).filter((name) => known !== undefined && !known.includes(name))
  if (unknown.length > 0) throw new Error(`${at} has members that nobody knows: ${unknown.join(", ")}.`)
  return value as Members
}
