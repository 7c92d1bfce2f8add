/**
 * An OpenID provider for laptops and tests. Three people sign in by a click: Alice and Bob, customers of a shop, and Olga, an
 * operator. It knows its clients from the start, keeps nothing, and listens where only this machine reaches it.
 *
 * It is no part of a server: nothing that serves in production depends on this package (decision 18).
 */
export type { Client, ClientAuthentication } from "./client.ts"
export { openProvider, type Provider, type ProviderOptions } from "./open.ts"
export { type Person, people } from "./people.ts"
