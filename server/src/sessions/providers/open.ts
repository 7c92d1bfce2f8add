import type { KeyObject } from "node:crypto"
import type { Audit } from "#audit"
import { type Clock, canonical, type Database, type Json, type Keyring, Refusal, type Secret } from "#kernel"
import { beginSignIn } from "./begin.ts"
import { type Asking, type AskingRequest, askAtProvider } from "./ciba/ask.ts"
import {
  answerChannel,
  type ChannelRequest,
  type ChannelStatus,
  type ChannelSubject,
  verifyChannel,
} from "./ciba/channel.ts"
import { type PendingAsking, type Polled, pollAtProvider } from "./ciba/poll.ts"
import type { ClientParts } from "./client.ts"
import type { Resolve } from "./fetch.ts"
import { finishSignIn } from "./finish.ts"
import { type LogoutRequest, logoutUrl, type ProviderLogout, unknownProvider, verifyLogoutToken } from "./logout.ts"
import type { ProviderDefinition, ProvidersPart } from "./part.ts"
import type { ProviderProof } from "./proof.ts"
import { openProvider, type Provider } from "./provider.ts"
import { secretOf, settingSecret } from "./secrets.ts"
import { type PendingSignIn, pendingSignIn, type SignedIn, type SignInRequest } from "./sign-in.ts"
import { beginStepUp, finishStepUp, type SteppingUp, type StepUpRequest } from "./step-up.ts"
import { type PresentedToken, type SubjectToken, verifySubjectToken } from "./subject-tokens.ts"
import { type ProviderView, viewOf } from "./view.ts"

/** Where users sign in. Every method that names a provider throws `provider-unknown` for one that is not in force. */
export interface Providers {
  /** Names of all that are in force. */
  names(): string[]
  /** As configured; null when there is none of that name. */
  find(name: string): ProviderDefinition | null
  /**
   * Where to send the browser, and what to keep for its return. Throws `provider-unavailable`, `provider-not-configured`,
   * `sign-in-failed`.
   */
  beginSignIn(request: SignInRequest): Promise<{ url: string; pending: PendingSignIn }>
  /**
   * Who came back to the redirect URI; `url` is that URI with what the provider added. Single use of `pending`, and that it is
   * this browser's, is the caller's to see to. Throws as beginSignIn().
   */
  finishSignIn(pending: PendingSignIn, url: URL): Promise<SignedIn>
  /** True when that provider is configured to ask its users (CIBA). */
  canAsk(provider: string): boolean
  /** Has a provider ask its user, out of band. Throws `provider-unavailable`, `provider-not-configured`. */
  ask(request: AskingRequest): Promise<Asking>
  /** Asks once what came of it, on whatever server. Throws `provider-not-configured`. */
  poll(pending: PendingAsking): Promise<Polled>
  /** Whom a provider has us ask. Throws `token-invalid`, `provider-unavailable`, `provider-not-configured`. */
  verifyChannel(request: ChannelRequest): Promise<ChannelSubject>
  /** Tells it what they said. Throws `provider-unavailable`, `provider-not-configured`. */
  answerChannel(provider: string, bearer: Secret, status: ChannelStatus): Promise<void>
  /** Sends a user to prove anew who they are, over a challenge. Throws as beginSignIn(). */
  beginStepUp(request: StepUpRequest): Promise<{ url: string; pending: PendingSignIn }>
  /** The provider's signed word that they did. Throws as finishSignIn(). */
  finishStepUp(steppingUp: SteppingUp): Promise<ProviderProof>
  /** Judges a token of any provider. Throws `subject-token-invalid`, `provider-unavailable`, `provider-not-configured`. */
  verifySubjectToken(presented: PresentedToken): Promise<SubjectToken>
  /** Judges a logout token that was posted for that provider. Throws `logout-token-invalid`, `provider-unavailable`. */
  verifyLogoutToken(provider: string, token: string): Promise<ProviderLogout>
  /** Where a browser ends its session at the provider; null where there is no such place. */
  logoutUrl(request: LogoutRequest): Promise<string | null>
  /** Keeps a client secret, recorded. `by` is the SPIFFE ID of who hands it over. */
  setSecret(provider: string, secret: Secret, by: string): Promise<void>
  /** Every provider in force, each asked whether it answers. */
  list(): Promise<ProviderView[]>
}

/** What the folder stands on. */
export type ProvidersParts = {
  database: Database
  audit: Audit
  keyring: Keyring
  /** The database's time, which expiry is judged by. */
  clock: Clock
  /** Our own: what tokens for us have as audience. */
  issuer: string
  /** The part in force. */
  part(): ProvidersPart
  /** The key that signs for us now; its public part is in our JWK Set. */
  signing(): { kid: string; privateKey: KeyObject }
  /** How names are resolved; by the machine's resolver unless told. */
  resolve?: Resolve
}

/** Opens the providers. Nothing is fetched before somebody needs it. */
export function openProviders(parts: ProvidersParts): Providers {
  const { audit, keyring, clock, issuer } = parts
  const client: ClientParts = { clock, signing: parts.signing, secret: (provider) => secretOf(parts, provider) }
  const known = new Map<string, { definition: ProviderDefinition; provider: Provider }>()

  /** What was discovered of a provider is forgotten with its configuration. */
  const open = (name: string, definition: ProviderDefinition): Provider => {
    const held = known.get(name)
    const isSame = held?.definition === definition || (held && isEqual(held.definition, definition))
    const provider = isSame ? held.provider : openProvider(name, definition, parts)
    if (held?.definition !== definition) known.set(name, { definition, provider })
    return provider
  }
  const inForce = (): Provider[] => {
    const part = parts.part()
    for (const name of known.keys()) if (!Object.hasOwn(part, name)) known.delete(name)
    return Object.entries(part).map(([name, definition]) => open(name, definition))
  }
  const find = (name: string): ProviderDefinition | null => {
    const part = parts.part()
    return Object.hasOwn(part, name) ? part[name]! : null
  }
  const named = (name: string): Provider => {
    const definition = find(name)
    if (definition === null) throw unknownProvider(name)
    return open(name, definition)
  }
  /** A provider was waited for: what it said is judged by the configuration of now. */
  const requireStill = (provider: Provider): void => {
    if (named(provider.name) === provider) return
    throw new Refusal("epoch-changed", "The provider's configuration changed meanwhile. Try again.")
  }

  return {
    names: () => Object.keys(parts.part()).sort(),
    find,
    beginSignIn: async (request) => await beginSignIn(client, named(request.provider), request),
    async finishSignIn(kept, url) {
      const pending = pendingSignIn.parse(kept)
      const provider = named(pending.provider)
      const found = await finishSignIn(client, provider, { pending, url })
      requireStill(provider)
      return found
    },
    canAsk: (name) => find(name)?.ciba !== undefined,
    ask: async (request) => await askAtProvider(client, named(request.provider), request),
    async poll(pending) {
      const provider = named(pending.provider)
      const polled = await pollAtProvider(client, provider, pending)
      requireStill(provider)
      return polled
    },
    async verifyChannel(request) {
      const provider = named(request.provider)
      const found = await verifyChannel(provider, request, clock.nowMs())
      requireStill(provider)
      return found
    },
    answerChannel: async (name, bearer, status) => await answerChannel(named(name), bearer, status),
    beginStepUp: async (request) => await beginStepUp(client, named(request.provider), request),
    async finishStepUp(steppingUp) {
      const pending = pendingSignIn.parse(steppingUp.pending)
      const provider = named(pending.provider)
      const proof = await finishStepUp(client, provider, { ...steppingUp, pending })
      requireStill(provider)
      return proof
    },
    async verifySubjectToken(presented) {
      const providers = inForce()
      const found = await verifySubjectToken({ ...client, issuer, providers }, presented)
      requireStill(providers.find(({ name }) => name === found.provider)!)
      return found
    },
    verifyLogoutToken: async (name, token) => await verifyLogoutToken(named(name), token, clock.nowMs()),
    logoutUrl: async (request) => await logoutUrl(named(request.provider), request),
    async setSecret(name, secret, by) {
      await audit.commit(settingSecret(keyring, named(name), secret, by))
    },
    list: async () => await Promise.all(inForce().map((provider) => viewOf(client, provider))),
  }
}

function isEqual(a: ProviderDefinition, b: ProviderDefinition): boolean {
  return canonical(a as Json) === canonical(b as Json)
}
