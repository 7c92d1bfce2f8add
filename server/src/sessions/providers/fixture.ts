import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { type Clock, type Keyring, Secret, systemClock } from "#kernel"
import { testKeyring } from "#testing"
import { openTestSessions, type TestSessions } from "../fixture.ts"
import { openProviders, type Providers, parseProviders } from "./index.ts"
import { type ProfileName, profileOf } from "./profiles.ts"

/** Issuer of the server that is the relying party. */
export const issuer = "https://safeconduct.example"
/** Where people come back to. */
export const redirectUri = `${issuer}/sign-in/shop/callback`

/** Our side of a sign-in, at a provider under the name `shop`. */
export type TestProviders = AsyncDisposable & {
  room: TestSessions
  providers: Providers
  keyring: Keyring
  /** The key that signs for us, and what a provider knows of it. */
  own: { kid: string; privateKey: KeyObject; jwk: object }
  /** Puts another configuration of providers in force. */
  configure(providers: object): void
  /** One more server at the same database and with the same configuration. */
  another(): Providers
}

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
const own = {
  kid: "our-key",
  privateKey,
  jwk: { ...publicKey.export({ format: "jwk" }), kid: "our-key", alg: "ES256" },
}

/** What a provider knows of the key that signs for us. */
export const ownJwks = { keys: [own.jwk] }

/** How a provider of that profile is told who we are, where a test says nothing of it. */
const authenticationAt = ({ profile = "generic" }: { profile?: ProfileName }) =>
  profileOf(profile).assertionAudience === null ? { clientAuthentication: "none" } : {}

/** Opens the providers with one named `shop`, on this machine. */
export async function openTestProviders(shop: object, clock: Clock = systemClock): Promise<TestProviders> {
  const room = await openTestSessions()
  const { audit } = room
  const { database } = room.store
  const keyring = testKeyring()
  const full = (more: object) => ({ clientId: "safeconduct", network: "loopback", ...authenticationAt(more), ...more })
  let part = parseProviders({ shop: full(shop) })
  const another = () => openProviders({ database, audit, keyring, clock, issuer, part: () => part, signing: () => own })
  return {
    room,
    providers: another(),
    keyring,
    own,
    configure(providers) {
      part = parseProviders(Object.fromEntries(Object.entries(providers).map(([name, each]) => [name, full(each)])))
    },
    another,
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  }
}

/** A secret of a client. */
export const clientSecret = new Secret("a-secret+of/the=shop%with&all that")
