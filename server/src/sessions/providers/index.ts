/**
 * Providers: where users sign in. Any OpenID provider is known by its issuer; everything else is discovered, and what
 * discovery does not tell is a profile's (profiles.ts).
 *
 * Here we are a relying party, and read what providers say: who signed in, whose token this is, that a session there has
 * ended. What follows from it is decided elsewhere: who a user is by (iss, sub) in sessions, what they delegated in sessions
 * and the gate. No token of a user's is kept by the room.
 *
 * Nothing is fetched but from configured issuers and the places that their metadata names, through one guard (fetch.ts).
 */
export type { Network } from "./addresses.ts"
export type { Asking, AskingRequest } from "./ciba/ask.ts"
export type { ChannelRequest, ChannelStatus, ChannelSubject } from "./ciba/channel.ts"
export type { PendingAsking, Polled } from "./ciba/poll.ts"
export { type Role, rolesFor } from "./claims.ts"
export type { Delegated, MayAct } from "./delegated.ts"
export { type FetchParts, guardedFetch, isAllowed, Unreachable } from "./fetch.ts"
export type { LogoutRequest, ProviderLogout } from "./logout.ts"
export { openProviders, type Providers, type ProvidersParts } from "./open.ts"
export { type ProviderDefinition, type ProvidersPart, parseProviders, providersSchema } from "./part.ts"
export type { ProfileName } from "./profiles.ts"
export { type ProviderProof, providerEvidence } from "./proof.ts"
export { providerRoutes } from "./routes.ts"
export { resealProviders } from "./secrets.ts"
export { type PendingSignIn, pendingSignIn, type SignedIn, type SignInRequest } from "./sign-in.ts"
export type { SteppingUp, StepUpRequest } from "./step-up.ts"
export {
  type PresentedToken,
  type SubjectToken,
  type SubjectTokenType,
  subjectTokenTypes,
} from "./subject-tokens.ts"
export { type ProviderView, viewProviders } from "./view.ts"
