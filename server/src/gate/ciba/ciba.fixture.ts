import { type KeyObject, X509Certificate } from "node:crypto"
import { SignJWT } from "jose"
import { type AgentPrincipal, newSigningRequest } from "#agents"
import { generateKey, type Json } from "#kernel"
import { approving, openTestApproving, type TestApproving } from "../approve/approve.fixture.ts"
import type { Rooms } from "../rooms.ts"
import { grant } from "../tokens/grant.ts"
import { type Acknowledgement, authorizeBackchannel } from "./authorize.ts"
import type { BackchannelForm } from "./parameters.ts"
import type { BackchannelAnswer } from "./redeem.ts"

/** Issuer of the gate's test servers. */
export const issuer = "https://safeconduct.example"
/** CIBA Core §10.1. */
export const CIBA = "urn:openid:params:grant-type:ciba"

/** The gate with an HR agent that may ask by CIBA, whose key a test has. */
export interface TestCiba extends AsyncDisposable {
  at: TestApproving
  rooms: Rooms
  bot: AgentPrincipal
  key: KeyObject
  /** A further instance, of that agent unless told. */
  instance(name?: string): Promise<{ bot: AgentPrincipal; key: KeyObject }>
  /** A new session for Alice, and its access token. */
  session(caller?: AgentPrincipal): Promise<{ id: string; token: string }>
  /** Asks, with everything right that is not replaced; `undefined` leaves a parameter out. */
  ask(more?: Partial<BackchannelForm>, as?: As): Promise<Acknowledgement>
  /** The same, signed by the agent's key. */
  askSigned(claims?: { [name: string]: unknown }, as?: As & { key?: KeyObject }): Promise<Acknowledgement>
  poll(authReqId: string | undefined, as?: As & { form?: object }): Promise<BackchannelAnswer>
  /** Lets so many seconds pass since the last poll. */
  wait(seconds: number): Promise<void>
  /** Puts the agent's `backchannel` in force. */
  configure(backchannel: object | null, more?: object): Promise<void>
}

/** Who asks, at which server. */
export type As = { caller?: AgentPrincipal; at?: Rooms }

/** The detail of a raise. */
export function raise(given: { [name: string]: Json } = { employee: "E-7", amount: 5200 }, operation = "raise") {
  return { type: "safeconduct_one_action", actions: [`tool:${operation}`], locations: ["hr"], arguments: given }
}

const unpaced = { pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000, denialsToCoolOff: 100 } }

/** Opens it. */
export async function openTestCiba(backchannel: object | null = {}): Promise<TestCiba> {
  const documentOf = (part: object | null, more: object = {}) => {
    const bot = { ...approving.agents.bot, ...(part && { backchannel: part }) }
    return { agents: { bot, other: bot }, approvals: unpaced, ...more }
  }
  const at = await openTestApproving(documentOf(backchannel))
  const { rooms, gate } = at
  const instance: TestCiba["instance"] = async (name = "bot") => {
    const { token } = await rooms.agents.createJoinToken({ kind: "agent", name }, "server")
    const { privateKey: key } = generateKey()
    const { svid } = await rooms.agents.enrol({ token: token.reveal(), csr: newSigningRequest(key) })
    const blocks = svid.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    const chain = blocks.map((block) => new X509Certificate(block).raw)
    return { bot: (await rooms.agents.identify(chain)) as AgentPrincipal, key }
  }
  const { bot, key } = await instance()
  const session: TestCiba["session"] = async (caller = bot) => {
    const id = await at.session(at.alice, caller)
    const { access_token: token } = await rooms.sessions.clientCredentials({ safeconduct_session: id }, caller)
    return { id, token }
  }
  const hint = await session()
  let count = 0
  const parametersOf = (more: object) => {
    count += 1
    const details = [raise({ employee: "E-7", amount: count })]
    return { scope: "openid", login_hint_token: hint.token, authorization_details: details, ...more }
  }
  return {
    at,
    rooms,
    bot,
    key,
    instance,
    session,
    ask(more = {}, { caller = bot, at: through = rooms } = {}) {
      const { authorization_details: details, ...rest } = parametersOf(more)
      const text = typeof details === "object" ? JSON.stringify(details) : details
      return authorizeBackchannel(through, caller, { ...rest, authorization_details: text } as BackchannelForm)
    },
    async askSigned(claims = {}, { caller = bot, at: through = rooms, key: by = key } = {}) {
      const now = Math.floor(Date.now() / 1000)
      const made = {
        iss: caller.spiffeId,
        aud: issuer,
        iat: now,
        nbf: now,
        exp: now + 60,
        jti: `request-${Math.random()}`,
      }
      const jwt = new SignJWT({ ...made, ...parametersOf(claims) }).setProtectedHeader({ alg: "ES256" })
      return await authorizeBackchannel(through, caller, { request: await jwt.sign(by) })
    },
    async poll(authReqId, { caller = bot, at: through = rooms, form = {} } = {}) {
      const sent = { grant_type: CIBA, auth_req_id: authReqId, ...form }
      return (await grant(through, caller, sent)) as BackchannelAnswer
    },
    async wait(seconds) {
      await gate.store.owner.query(
        "update approvals.backchannel_requests set polled_at = polled_at - make_interval(secs => $1)",
        [seconds],
      )
    },
    async configure(part, more = {}) {
      await gate.apply({ ...approving, ...documentOf(part, more) } as never)
    },
    [Symbol.asyncDispose]: () => at[Symbol.asyncDispose](),
  }
}
