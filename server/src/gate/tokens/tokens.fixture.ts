import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto"
import { exportJWK, type JWTHeaderParameters, SignJWT } from "jose"
import type { AgentPrincipal } from "#agents"
import { Refusal } from "#kernel"
import { type ActionDetail, parseDetails, type SubjectToken } from "#sessions"
import { document, openTestGate, type TestGate } from "../fixture.ts"
import type { Opened } from "../open.ts"
import type { Rooms } from "../rooms.ts"
import { exchange } from "./exchange.ts"
import { readExchange } from "./exchange-request.ts"
import type { TokenForm } from "./form.ts"

/** Issuer of the gate's test servers. */
export const issuer = "https://safeconduct.example"

/** What the purpose of a user allows, and the agent's ceiling. */
export const details = parseDetails(document.purposes.answer.actions)
/** Half of it. */
export const reading: ActionDetail[] = [{ ...details[0]!, actions: ["credential:read"] }]

const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"

/** A gate where users delegate: their provider's tokens are what a test says that they are, everything else is real. */
export interface TestTokens extends AsyncDisposable {
  gate: TestGate
  /** The first server, with tokens of the provider that are good. */
  rooms: Rooms
  bot: AgentPrincipal
  key: KeyObject
  /** Makes a token that the provider is said to have issued. */
  issue(more?: Partial<SubjectToken>): string
  exchange(form?: Partial<TokenForm>, caller?: AgentPrincipal, at?: Rooms): Promise<Opened>
  /** Alice's yes to the bot, for what she is asked unless told; returns the consent's id. */
  consent(granted?: ActionDetail[], more?: { application?: string | null; hardEndSeconds?: number }): Promise<string>
  /** A statement of the application. */
  statement(claims?: object, header?: Partial<JWTHeaderParameters>, key?: KeyObject): Promise<string>
  /** Puts the configuration in force with a part of it replaced. */
  apply(part?: object): Promise<void>
}

/** Opens it: the purpose `answer` only with a user, the application `shop-web`, the provider `shop`, and two agents. */
export async function openTestTokens(): Promise<TestTokens> {
  const gate = await openTestGate()
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const jwk = { ...(await exportJWK(publicKey)), kid: "shop-1" }
  const parameters = { order: { description: "The order", isRequired: false } }
  const shop = {
    description: "The shop",
    agents: ["bot"],
    providers: { shop: ["shop-client"] },
    keys: [jwk],
    resources: ["kb"],
  }
  const apply = (part: object = {}) =>
    gate.apply({
      purposes: { ...document.purposes, answer: { ...document.purposes.answer, consent: "required", parameters } },
      agents: { ...document.agents, other: document.agents.bot },
      providers: { shop: { issuer: "https://id.shop.example", clientId: "safeconduct" } },
      applications: { "shop-web": shop },
      // Cedar is asked of the user too.
      policies: [{ file: "all.cedar", text: `@id("all") permit (principal, action, resource);` }],
      ...part,
    } as never)
  await apply()

  const issued = new Map<string, SubjectToken>()
  const believing = (rooms: Rooms): Rooms => {
    const verifySubjectToken: Rooms["sessions"]["providers"]["verifySubjectToken"] = async ({ token, type }) => {
      const found = issued.get(token)
      if (found?.type === type) return found
      throw new Refusal("subject-token-invalid", "The provider issued no such token.")
    }
    return { ...rooms, sessions: { ...rooms.sessions, providers: { ...rooms.sessions.providers, verifySubjectToken } } }
  }
  const rooms = believing(gate.rooms)
  const issue: TestTokens["issue"] = (more = {}) => {
    const token = `token-${randomUUID()}`
    issued.set(token, {
      provider: "shop",
      type: ID_TOKEN,
      iss: "https://id.shop.example",
      sub: "alice",
      claims: { customer: ["1001"] },
      sid: "login-1",
      clients: ["shop-client"],
      isForUs: false,
      details: null,
      purpose: null,
      delegated: null,
      mayAct: [],
      jti: null,
      issuedAtMs: Date.now(),
      expiresAtMs: Date.now() + 600_000,
      digest: `digest-of-${token}`,
      ...more,
    })
    return token
  }
  return {
    gate,
    rooms,
    bot: gate.bot,
    key: privateKey,
    issue,
    apply,
    async exchange(form = {}, caller = gate.bot, at = gate.rooms) {
      const sent: TokenForm = {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token_type: ID_TOKEN,
        safeconduct_purpose: "answer",
        ...form,
        subject_token: form.subject_token ?? issue(),
      }
      return await exchange(believing(at), caller, readExchange(issuer, sent, false))
    },
    async consent(granted = details, { application = "shop-web", hardEndSeconds = 3_600 } = {}) {
      const { consents } = rooms.sessions
      const { agentId: id, name, spiffeId, instance } = gate.bot
      const seen = { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: {} }
      const { result: user } = await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))
      const { requestUri } = await consents.push(
        {
          agent: { id, name, spiffeId },
          ...{
            instance,
            jkt: null,
            redirectUri: null,
            state: null,
            challenge: null,
            prompt: null,
            maxAgeSeconds: null,
          },
          ...{ purpose: "answer", application, details: null, requestText: null, parameters: {} },
          ...{ hasSignedParameters: false, provider: "shop" },
        },
        60,
      )
      const browser = randomBytes(32).toString("base64url")
      const begun = await consents.begin({ requestUri, client: spiffeId }, browser)
      const request = await consents.enterUser({ id: begun!.id, browser }, { user, providerSession: null })
      // What a page shows is the page's to test.
      const decision = { text: {} as never, asked: details, details: granted, hardEndSeconds }
      return (await rooms.audit.commit(consents.allow(request!, browser, decision))).result.consent
    },
    statement(claims = {}, header = {}, key = privateKey) {
      const seconds = Math.floor(Date.now() / 1000)
      const times = { jti: randomUUID(), iat: seconds, exp: seconds + 60 }
      return new SignJWT({
        iss: "shop-web",
        sub: "bot",
        aud: issuer,
        safeconduct_purpose: "answer",
        ...times,
        ...claims,
      })
        .setProtectedHeader({ typ: "safeconduct-statement+jwt", alg: "ES256", kid: "shop-1", ...header })
        .sign(key)
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}
