import { createPrivateKey } from "node:crypto"
import { createProver } from "../sdk/src/proof.ts"
import { type Answer, bodyOf, type Client, headerOf, requestOf } from "./client.ts"

/** Requests with an access token and a DPoP proof (RFC 9449), a new one for each. */
export type Proving = {
  /** The whole request, as the session that its body names. */
  request(path: string, body: string): string
  /** Takes in the nonce that an answer brings. */
  learn(answer: Answer): void
}

const FORM = "application/x-www-form-urlencoded"
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/** Fetches a token for each session, over the client. `url` is where the server is asked, `issuer` what it calls itself. */
export async function openProving(
  client: Client,
  about: { url: string; issuer: string; key: string; spiffeId: string; sessions: readonly string[] },
): Promise<Proving> {
  const { url, issuer } = about
  const prover = createProver(createPrivateKey(about.key))
  const tokens = new Map<string, string>()
  let nonce: string | undefined
  const learn = (answer: Answer) => {
    nonce = headerOf(answer, "dpop-nonce") ?? nonce
  }
  const proof = (path: string, token?: string) =>
    prover.proof({ method: "POST", url: issuer + path, ...(nonce && { nonce }), ...(token && { token }) })
  const fetchToken = async (session: string): Promise<string> => {
    for (;;) {
      const form = new URLSearchParams({
        grant_type: "client_credentials",
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: prover.assertion({ client: about.spiffeId, audience: issuer }),
        safeconduct_session: session,
      })
      const headers = `content-type: ${FORM}\r\ndpop: ${proof("/oauth2/token")}\r\n`
      const answer = await client.ask(requestOf(url, "/oauth2/token", form.toString(), headers))
      learn(answer)
      const { access_token: token, error } = JSON.parse(bodyOf(answer)) as { access_token?: string; error?: string }
      if (token !== undefined) return token
      if (error !== "use_dpop_nonce") throw new Error(bodyOf(answer))
    }
  }
  for (const session of about.sessions) tokens.set(session, await fetchToken(session))
  return {
    learn,
    request(path, body) {
      const token = tokens.get((JSON.parse(body) as { session: string }).session)!
      const authorization = `authorization: DPoP ${token}\r\ndpop: ${proof(path, token)}\r\n`
      return requestOf(url, path, body, `content-type: application/json\r\n${authorization}`)
    },
  }
}
