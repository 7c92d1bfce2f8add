import type { AgentPrincipal } from "#agents"
import { Refusal, refusalCode } from "#kernel"
import { requireClient, type TokenAnswer } from "#sessions"
import { type BackchannelAnswer, redeemBackchannel } from "../ciba/redeem.ts"
import { redeemCode } from "../consent/redeem.ts"
import type { Rooms } from "../rooms.ts"
import { type GrantAnswer, grantAnswer } from "./answer.ts"
import { exchange } from "./exchange.ts"
import { ACCESS_TOKEN, readExchange } from "./exchange-request.ts"
import type { TokenForm } from "./form.ts"

/** What any of the grants is answered with. */
export type AnyAnswer = TokenAnswer | GrantAnswer | BackchannelAnswer

type Grant = (rooms: Rooms, caller: AgentPrincipal, form: TokenForm) => Promise<AnyAnswer>

/** Ways to a token; the metadata (sessions/token-endpoint.ts) names the same. */
const grants: { readonly [type: string]: Grant } = {
  client_credentials: (rooms, caller, form) => rooms.sessions.clientCredentials(form, caller),
  authorization_code: async (rooms, caller, form) => grantAnswer(await redeemCode(rooms, caller, form)),
  "urn:ietf:params:oauth:grant-type:token-exchange": async (rooms, caller, form) => {
    const opened = await exchange(rooms, caller, readExchange(rooms.sessions.issuer, form, false))
    return { ...grantAnswer(opened), issued_token_type: ACCESS_TOKEN }
  },
  "urn:openid:params:grant-type:ciba": redeemBackchannel,
  "urn:ietf:params:oauth:grant-type:jwt-bearer": async (rooms, caller, form) => {
    try {
      return grantAnswer(await exchange(rooms, caller, readExchange(rooms.sessions.issuer, form, true)))
    } catch (cause) {
      if (refusalCode(cause) !== "subject-token-invalid") throw cause
      // RFC 7523 §3.1: what an exchange calls an invalid request is an invalid grant here.
      throw new Refusal("grant-invalid", (cause as Refusal).message, { cause })
    }
  },
}

/** The token endpoint (RFC 6749 §3.2). Throws `unsupported-grant-type`, `identity-unknown`, and what the grant does. */
export async function grant(rooms: Rooms, caller: AgentPrincipal, form: TokenForm): Promise<AnyAnswer> {
  if (!Object.hasOwn(grants, form.grant_type)) {
    throw new Refusal("unsupported-grant-type", `Grant types here are ${Object.keys(grants).join(", ")}.`)
  }
  requireClient(form, caller)
  return await grants[form.grant_type]!(rooms, caller, form)
}
