import type { Id } from "#kernel"

/** A person who signed in at a provider. Known by issuer and subject (OpenID Connect Core §2), never by an e-mail address. */
export type User = {
  /** What entries, tokens and policies call them: random, so that it tells nothing once the person is forgotten. */
  id: Id<"user">
  /** Name of the provider in the configuration. */
  provider: string
  iss: string
  sub: string
  /** Claims that the provider's configuration maps, by our names for them. */
  claims: { [name: string]: string[] }
}
