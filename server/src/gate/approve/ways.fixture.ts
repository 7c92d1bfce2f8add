import { randomBytes } from "node:crypto"
import type { Approval } from "#approvals"
import { base64url, Secret } from "#kernel"
import type { Asking, AskingRequest, PendingAsking, Polled, ProviderProof, SteppingUp, StepUpRequest } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { heldOf, openTestApproving, type TestApproving } from "./approve.fixture.ts"
import { startAsking } from "./ways.ts"

/** A provider whose answers a test gives, in the place of the one that is configured. */
export type TestAsking = AsyncDisposable & {
  at: TestApproving
  /** Rooms whose provider is the test's. */
  rooms: Rooms
  /** What the provider was asked, in order. */
  asked: AskingRequest[]
  polls: PendingAsking[]
  told: [bearer: string, status: string][]
  /** Changed by tests. */
  next: {
    verify: () => Promise<{ subject: string; expiresAtMs: number }>
    stepUp: (of: SteppingUp) => Promise<ProviderProof>
    ask: () => Promise<Asking>
    poll: (pending: PendingAsking) => Promise<Polled>
    tell: () => Promise<void>
  }
  /** Starts a server's asking, until it is disposed of. */
  start(rooms?: Rooms): AsyncDisposable
  /** A raise that waits for Alice. */
  held(): Promise<{ session: string; approval: Approval }>
  proof(more?: Partial<ProviderProof>): ProviderProof
}

/** Resolves when it is so. */
export async function until(isSo: () => Promise<boolean> | boolean, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (await isSo()) return
  }
  throw new Error("it did not become so")
}

/** How the provider of tests is configured. */
export const asking = {
  providers: {
    hr: { issuer: "https://id.example", clientId: "safeconduct", ciba: {} as object },
  },
  approvals: {
    proofs: { sign: ["passkey", "provider"] },
    pacing: { perPersonPerMinute: 1000, perAgentPerHour: 1000, bulk: 1000, denialsToCoolOff: 100 },
  },
}

/** Opens it; `more` replaces parts of the configuration. */
export async function openTestAsking(more: object = {}): Promise<TestAsking> {
  await using stack = new AsyncDisposableStack()
  const at = stack.use(await openTestApproving({ ...asking, ...more }))
  const [asked, polls, told]: [AskingRequest[], PendingAsking[], [string, string][]] = [[], [], []]
  const proof: TestAsking["proof"] = (changed = {}) => ({
    ...{ provider: "hr", issuer: "https://id.example", clientId: "safeconduct" },
    ...{ subjectClaim: "sub", subject: "alice", idToken: "a.b.c", algorithm: "ES256", key: { kty: "EC" } },
    ...{ acr: null, authTimeMs: null, issuedAtMs: 0, amr: [], payload: {} },
    ...changed,
  })
  const next: TestAsking["next"] = {
    ask: async () => ({ state: "asked", authReqId: new Secret("an-id"), expiresInSeconds: 60, intervalSeconds: 1 }),
    poll: async () => ({ state: "pending", isTooFast: false, retryAfterSeconds: null }),
    tell: async () => undefined,
    verify: async () => ({ subject: "alice", expiresAtMs: Date.now() + 60_000 }),
    stepUp: async () => proof(),
  }
  const playing = (of: Rooms): Rooms => {
    const providers = {
      ...of.sessions.providers,
      ask: async (request: AskingRequest) => {
        asked.push(request)
        return await next.ask()
      },
      poll: async (pending: PendingAsking) => {
        polls.push(pending)
        return await next.poll(pending)
      },
      answerChannel: async (_: string, bearer: Secret, status: string) => {
        told.push([bearer.reveal(), status])
        await next.tell()
      },
      verifyChannel: async () => await next.verify(),
      async beginStepUp({ provider, redirectUri, challenge }: StepUpRequest) {
        const state = base64url(randomBytes(32))
        const kept = { provider, redirectUri, state, issuer: "https://id.example", nonce: base64url(challenge) }
        const rest = { verifier: "v", acrValues: [], maxAgeSeconds: 0, begunAtMs: Date.now() }
        return { url: `https://id.example/authorize?state=${state}`, pending: { ...kept, ...rest } }
      },
      finishStepUp: async (of: SteppingUp) => await next.stepUp(of),
    }
    return { ...of, sessions: { ...of.sessions, providers } }
  }
  const rooms = playing(at.rooms)
  const owned = stack.move()
  return {
    at,
    rooms,
    asked,
    polls,
    told,
    next,
    start: (of) => startAsking(of === undefined ? rooms : playing(of)),
    async held() {
      const session = await at.session()
      return { session, approval: heldOf(await at.raise(session)) }
    },
    proof,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
