import { createHash, createPublicKey, randomUUID } from "node:crypto"
import { type JWTPayload, jwtVerify } from "jose"
import { clientSecret, ownJwks, redirectUri } from "../fixture.ts"
import type { ProviderDefinition } from "../part.ts"
import type { Algorithm, ProfileName } from "../profiles.ts"
import {
  type Answer,
  type Asked,
  type FakeKey,
  type FakeProvider,
  newKey,
  seconds,
  startFakeProvider,
} from "../provider.fixture.ts"

/** A token before it is signed. */
export type Unsigned = { header: { [member: string]: unknown }; payload: JWTPayload }

/** What a token is about: whose it is, for which client, and where it comes from. */
export type About = {
  issuer: string
  /** The client that asked. */
  client: string
  /** Whom an access token is for. */
  audience: string
  nonce?: string
  sid: string
  now: number
}

/** The person who signs in, as our side is to see her. */
export type Expected = {
  sub: string
  claims: { [name: string]: string[] }
  roles: string[]
  hasSid: boolean
  acr: string | null
}

/** A maker of providers: what its documents say that goes over the wire. */
export type Vendor = {
  profile: ProfileName
  /** What follows the address in an issuer. */
  path: string
  alg: Algorithm
  /** How our side is configured for it. */
  configuration: Partial<ProviderDefinition>
  /** What `aud` of a client's assertion has to be: the issuer unless told. */
  assertionAudience?: "endpoint"
  /** All that discovery answers. `at` is the address, for what does not lie below the issuer. */
  metadata(issuer: string, at: string): { [member: string]: unknown }
  idToken(about: About): Unsigned
  /** Null where access tokens are opaque. */
  accessToken: ((about: About) => Unsigned) | null
  expected: Expected
  /** Members of an answer to a sign-in beside `code` and `state`. */
  signInAnswer(issuer: string): { [member: string]: string }
  /** Members of a token answer beside the tokens, `token_type` and `expires_in`. */
  tokenAnswer: { [member: string]: unknown }
  /** What UserInfo adds; absent where it has nothing that is not in the ID token. */
  userinfo?: { [claim: string]: unknown }
}

/** A provider of that make, on this machine. */
export type StartedVendor = AsyncDisposable & {
  vendor: Vendor
  issuer: string
  fake: FakeProvider
  /** A second key, of another kind, that the provider publishes too. */
  otherKey: FakeKey
  /** What a token is about, unless a test says otherwise. */
  about(more?: Partial<About>): About
  sign(token: Unsigned, key?: FakeKey): Promise<string>
  /** The person's part: signs in at the URL, and says where the browser is sent back to. */
  visit(url: string): URL
  /** Changed by tests: the last chance to alter an ID token, or to sign it otherwise. */
  alter: (token: Unsigned) => Unsigned | Promise<string>
  /** What opaque access tokens are answered for with, by token. */
  introspected: Map<string, { [member: string]: unknown }>
}

/** Our client there, unless a vendor gives its clients another form of id. */
export const OUR_CLIENT = "safeconduct"
/** The shop's web site: a client of the provider that is registered as an application here. */
export const SHOP_CLIENT = "shop-web-client"

type Asking = { parameters: URLSearchParams; isRedeemed: boolean }

/** Starts a provider that answers as that vendor documents, and refuses what it would refuse. */
export async function startVendor(vendor: Vendor): Promise<StartedVendor> {
  const fake = await startFakeProvider(vendor.path, vendor.alg)
  const { issuer } = fake
  const otherKey = await newKey("key-of-another-kind", vendor.alg === "ES256" ? "RS256" : "ES256")
  const at = new URL(issuer).origin
  const metadata = vendor.metadata(issuer, at)
  fake.metadata = metadata
  fake.jwks = { keys: [fake.key.jwk, otherKey.jwk] }
  const pushed = new Map<string, URLSearchParams>()
  const codes = new Map<string, Asking>()
  const path = (member: string) => new URL(String(metadata[member] ?? `${at}/not-there/${member}`)).pathname
  const started: StartedVendor = {
    vendor,
    issuer,
    fake,
    otherKey,
    about: (more = {}) => ({
      issuer,
      client: OUR_CLIENT,
      audience: "https://api.shop.example",
      sid: "session-at-the-provider",
      now: seconds(),
      ...more,
    }),
    sign: ({ header, payload }, key) => fake.sign(payload, header, key),
    visit(url) {
      const asked = new URL(url)
      if (asked.pathname !== path("authorization_endpoint")) throw new Error(`no place to sign in: ${url}`)
      const requestUri = asked.searchParams.get("request_uri")
      const parameters = requestUri === null ? asked.searchParams : pushed.get(requestUri)
      if (parameters === undefined) throw new Error("unknown request_uri")
      if (requestUri !== null) pushed.delete(requestUri)
      requireGoodRequest(parameters)
      const code = randomUUID()
      codes.set(code, { parameters, isRedeemed: false })
      const back = new URL(redirectUri)
      back.search = new URLSearchParams({
        code,
        state: parameters.get("state")!,
        ...vendor.signInAnswer(issuer),
      }).toString()
      return back
    },
    alter: (token) => token,
    introspected: new Map(),
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  }
  const forClients = (answer: (asked: Asked) => Answer | Promise<Answer>) => async (asked: Asked) =>
    (await isOurClient(vendor, metadata, asked)) ? await answer(asked) : refused(401, "invalid_client")

  fake.answers.set(path("jwks_uri"), () => ({ body: fake.jwks }))
  fake.answers.set(
    path("token_endpoint"),
    forClients(async ({ form }) => {
      const asking = codes.get(form.get("code") ?? "")
      if (form.get("grant_type") !== "authorization_code") return refused(400, "unsupported_grant_type")
      if (asking === undefined || asking.isRedeemed || !fits(asking.parameters, form))
        return refused(400, "invalid_grant")
      asking.isRedeemed = true
      const about = started.about({ nonce: asking.parameters.get("nonce")! })
      const altered = started.alter(vendor.idToken(about))
      const idToken = "payload" in altered ? await started.sign(altered) : await altered
      const accessToken = vendor.accessToken === null ? randomUUID() : await started.sign(vendor.accessToken(about))
      const tokens = { access_token: accessToken, token_type: "Bearer", expires_in: 3600, id_token: idToken }
      return { body: { ...tokens, ...vendor.tokenAnswer } }
    }),
  )
  fake.answers.set(
    path("pushed_authorization_request_endpoint"),
    forClients(({ form }) => {
      const requestUri = `urn:ietf:params:oauth:request_uri:${randomUUID()}`
      pushed.set(requestUri, form)
      return { status: 201, body: { request_uri: requestUri, expires_in: 60 } }
    }),
  )
  fake.answers.set(
    path("introspection_endpoint"),
    forClients(({ form }) => ({ body: started.introspected.get(form.get("token") ?? "") ?? { active: false } })),
  )
  fake.answers.set(path("userinfo_endpoint"), () => ({
    body: { sub: vendor.idToken(started.about()).payload.sub, ...vendor.userinfo },
  }))
  return started
}

/** A request as OpenID Connect Core §3.1.2.1 and RFC 7636 §4.3 have it; every vendor demands at least this. */
function requireGoodRequest(parameters: URLSearchParams): void {
  const scopes = parameters.get("scope")?.split(" ") ?? []
  const problems = [
    parameters.get("response_type") !== "code" && "response_type",
    parameters.get("client_id") !== OUR_CLIENT && "client_id",
    parameters.get("redirect_uri") !== redirectUri && "redirect_uri",
    !scopes.includes("openid") && "scope",
    (parameters.get("state") ?? "").length < 20 && "state",
    (parameters.get("nonce") ?? "").length < 20 && "nonce",
    parameters.get("code_challenge_method") !== "S256" && "code_challenge_method",
    !/^[\w-]{43}$/.test(parameters.get("code_challenge") ?? "") && "code_challenge",
  ].filter((problem) => problem !== false)
  if (problems.length > 0) throw new Error(`the vendor refuses the request for its ${problems.join(", ")}`)
}

function fits(asked: URLSearchParams, form: URLSearchParams): boolean {
  const challenge = createHash("sha256")
    .update(form.get("code_verifier") ?? "")
    .digest("base64url")
  return challenge === asked.get("code_challenge") && form.get("redirect_uri") === asked.get("redirect_uri")
}

/** True when the client proves itself in the way it is configured for, and the vendor says that it knows that way. */
export async function isOurClient(
  { configuration: { clientAuthentication = "private_key_jwt" }, assertionAudience }: Vendor,
  metadata: { [member: string]: unknown },
  { form, headers, path }: Asked,
): Promise<boolean> {
  const known = metadata["token_endpoint_auth_methods_supported"] as string[] | undefined
  if (known?.includes(clientAuthentication) === false) return false
  switch (clientAuthentication) {
    case "client_secret_post":
      return form.get("client_id") === OUR_CLIENT && form.get("client_secret") === clientSecret.reveal()
    case "client_secret_basic": {
      const [id, secret] = Buffer.from(headers.get("authorization")?.replace(/^Basic /, "") ?? "", "base64")
        .toString()
        .split(":")
        .map((part) => decodeURIComponent(part.replaceAll("+", "%20")))
      return id === OUR_CLIENT && secret === clientSecret.reveal()
    }
    case "private_key_jwt": {
      const key = createPublicKey({ key: ownJwks.keys[0] as never, format: "jwk" })
      const issuer = String(metadata["issuer"])
      const audience = assertionAudience === "endpoint" ? new URL(path, issuer).href : issuer
      const options = { issuer: OUR_CLIENT, subject: OUR_CLIENT, audience }
      return await jwtVerify(form.get("client_assertion") ?? "", key, options).then(
        () => true,
        () => false,
      )
    }
    case "none":
      return form.get("client_id") === OUR_CLIENT
  }
}

/** An error as OAuth has it (RFC 6749 §5.2). */
export function refused(status: number, error: string): Answer {
  return { status, body: { error } }
}
