import { Refusal } from "#kernel"
import { isRegistered } from "#sessions"
import { seeOther } from "../consent/pages/page.ts"
import type { AskedBy } from "../consent/parameters.ts"
import { callbackOf } from "../consent/sign-in.ts"
import type { Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"

/** Where a command line listens: on the machine that the browser is on, at a port of its own (RFC 8252 §7.3). */
const LISTENING = ["http://127.0.0.1/signed-in", "http://[::1]/signed-in"]

/**
 * A command line sent somebody here, who is to sign in and then say whether it may act for them. What is wrong with what it asks
 * is told to them: nobody is sent to a place that is not their own machine. Throws `invalid-request`, `provider-unknown`,
 * `sign-in-failed`, and what beginning a sign-in does.
 */
export async function beginOperator(rooms: Rooms, visit: Visit, provider: string, given: AskedBy): Promise<Response> {
  const { providers, operatorSignIns, browsers } = rooms.sessions
  const definition = providers.find(provider)
  if (definition === null) throw new Refusal("provider-unknown", "There is no such provider.")
  if (definition.roles === undefined) {
    throw new Refusal(
      "sign-in-failed",
      `Operators do not sign in at ${provider}: the configuration maps no roles there.`,
    )
  }
  const asked = { provider, ...readAsked(given) }
  const { acrValues, maxAgeSeconds } = definition.roles
  const { url, pending } = await providers.beginSignIn({
    provider,
    redirectUri: callbackOf(visit.issuer, provider),
    ...(acrValues === undefined ? {} : { acrValues }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
  })
  const { id } = await operatorSignIns.begin(asked, visit.browser)
  await browsers.keepSignIn(pending, visit.browser, { operator: id })
  // A crash here leaves a request and a sign-in that no browser was sent with; they are forgotten.
  return seeOther(url, visit.setCookies)
}

function readAsked({ redirect_uri: redirectUri, state, code_challenge: challenge }: AskedBy) {
  const what = "This is opened by the command line: safeconduct login --provider."
  if (redirectUri === undefined || !isRegistered(redirectUri, LISTENING)) {
    throw new Refusal("invalid-request", `redirect_uri is not where a command line on this machine listens. ${what}`)
  }
  if (state === undefined || !/^[A-Za-z0-9_-]{22,128}$/.test(state)) {
    throw new Refusal("invalid-request", `state is 22 to 128 characters of base64url. ${what}`)
  }
  if (challenge === undefined || !/^[A-Za-z0-9_-]{43}$/.test(challenge)) {
    throw new Refusal("invalid-request", `code_challenge is the S256 of a code_verifier (RFC 7636 §4.2). ${what}`)
  }
  return { redirectUri, state, challenge }
}
