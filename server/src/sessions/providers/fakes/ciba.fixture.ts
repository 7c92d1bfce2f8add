import { randomBytes } from "node:crypto"
import type { JWTPayload } from "jose"
import type { User } from "../../user.ts"
import { clientSecret, openTestProviders, type TestProviders } from "../fixture.ts"
import type { Answer, Asked } from "../provider.fixture.ts"
import {
  isOurClient,
  OUR_CLIENT,
  refused,
  type StartedVendor,
  startVendor,
  type Unsigned,
  type Vendor,
} from "./vendor.fixture.ts"

/** What a maker's documents say of its CIBA, beside what they say of everything else. */
export type CibaVendor = {
  vendor: Vendor
  /** Our side: what the provider has in addition, its `ciba` among it. */
  configuration: { [field: string]: unknown }
  /** The endpoint, as its discovery names it, or below the issuer where it does not. */
  endpoint: { isDiscovered: boolean; path: string }
  /** The user, as our side knows them by their sign-in. */
  claims: User["claims"]
  /** What it says of a form that it would not take, by its own error code; null for one that it takes. */
  judge(form: URLSearchParams, issuer: string): string | null
  /** Its acknowledgement. */
  acknowledgement: { auth_req_id: () => string; expires_in: number; interval?: number }
  /** The status of an `authorization_pending`, and whether it tells who is too fast. */
  hasSlowDown: boolean
}

/** What became of a request there; changed by tests, in the place of the person and of time. */
export type FakeAsking = { form: URLSearchParams; state: "pending" | "approved" | "denied" | "expired" | "used" }

/** A provider of that make with somebody who can be asked, and our side. */
export type StartedCiba = AsyncDisposable & {
  of: CibaVendor
  started: StartedVendor
  ours: TestProviders
  /** How our side is configured for it. */
  definition: { [field: string]: unknown }
  user: Pick<User, "iss" | "sub" | "claims">
  askings: Map<string, FakeAsking>
  /** The newest. */
  last(): FakeAsking
  /** Changed by tests: what the endpoints answer in the place of everything else. */
  instead: Answer | null
  /** True while polls come too fast. */
  isTooFast: boolean
  /** Changed by tests: claims of the ID token, or the whole of it. */
  alter: (token: Unsigned) => Unsigned | Promise<string>
}

const GRANT = "urn:openid:params:grant-type:ciba"

/** Starts both; the client's secret is handed over where the vendor's clients have one. */
export async function startCiba(of: CibaVendor, more: { [field: string]: unknown } = {}): Promise<StartedCiba> {
  await using stack = new AsyncDisposableStack()
  const { vendor, endpoint } = of
  const started = stack.use(await startVendor(vendor))
  const { issuer, fake } = started
  const place = `${issuer.replace(/\/$/, "")}/${endpoint.path}`
  if (endpoint.isDiscovered) fake.metadata["backchannel_authentication_endpoint"] = place
  else delete fake.metadata["backchannel_authentication_endpoint"]
  const definition = { issuer, profile: vendor.profile, ...vendor.configuration, ...of.configuration, ...more }
  const ours = stack.use(await openTestProviders(definition))
  const secretly = (definition as { clientAuthentication?: string }).clientAuthentication?.startsWith("client_secret")
  if (secretly === true) await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
  const askings: StartedCiba["askings"] = new Map()
  const owned = stack.move()
  const self: StartedCiba = {
    of,
    started,
    ours,
    definition: { clientId: OUR_CLIENT, network: "loopback", ...definition },
    user: { iss: issuer, sub: vendor.expected.sub, claims: of.claims },
    askings,
    last: () => [...askings.values()].at(-1)!,
    instead: null,
    isTooFast: false,
    alter: (token) => token,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  const authentication = (definition as { clientAuthentication?: Vendor["configuration"]["clientAuthentication"] })
    .clientAuthentication
  const knows = {
    ...vendor,
    configuration: { ...vendor.configuration, clientAuthentication: authentication },
  } as Vendor
  const forClients = (answer: (asked: Asked) => Answer | Promise<Answer>) => async (asked: Asked) =>
    self.instead ??
    ((await isOurClient(knows, fake.metadata, asked)) ? await answer(asked) : refused(401, "invalid_client"))
  fake.answers.set(
    new URL(place).pathname,
    forClients(({ form }) => acknowledge(self, form)),
  )
  const tokenPath = new URL(String(fake.metadata["token_endpoint"])).pathname
  const others = fake.answers.get(tokenPath)!
  fake.answers.set(tokenPath, async (asked) =>
    asked.form.get("grant_type") === GRANT
      ? await forClients(({ form }) => redeem(self, form))(asked)
      : await others(asked),
  )
  return self
}

/** CIBA Core §7.1, §7.3, and whatever the vendor demands beside it. */
function acknowledge({ of, started, askings }: StartedCiba, form: URLSearchParams): Answer {
  const hints = ["login_hint", "id_token_hint", "login_hint_token"].filter((each) => form.has(each))
  const isOpenId = form.get("scope")?.split(" ").includes("openid") === true
  if (!form.has("request") && (hints.length !== 1 || !isOpenId)) return refused(400, "invalid_request")
  const problem = of.judge(form, started.issuer)
  if (problem !== null) return refused(400, problem)
  const { auth_req_id: newId, ...more } = of.acknowledgement
  const id = newId()
  askings.set(id, { form, state: "pending" })
  return { body: { auth_req_id: id, ...more } }
}

/** CIBA Core §10.1, §11. */
async function redeem(self: StartedCiba, form: URLSearchParams): Promise<Answer> {
  const { of, started, askings } = self
  const asking = askings.get(form.get("auth_req_id") ?? "")
  if (asking === undefined || asking.state === "used") return refused(400, "invalid_grant")
  if (self.isTooFast && of.hasSlowDown) return refused(400, "slow_down")
  if (asking.state === "denied") return refused(400, "access_denied")
  if (asking.state === "expired") return refused(400, "expired_token")
  if (asking.state === "pending") return refused(400, "authorization_pending")
  asking.state = "used"
  const altered = self.alter(of.vendor.idToken(started.about()))
  const idToken = "payload" in altered ? await started.sign(altered) : await altered
  const tokens = { access_token: "opaque", token_type: "Bearer", expires_in: 3600, id_token: idToken }
  return { body: { ...tokens, ...of.vendor.tokenAnswer } }
}

/** Claims of an ID token, changed; `undefined` takes one away. */
export function changed(claims: JWTPayload): (token: Unsigned) => Unsigned {
  return ({ header, payload }) => ({ header, payload: JSON.parse(JSON.stringify({ ...payload, ...claims })) })
}

/** Random text of that many bytes. */
export const randomText = (bytes: number) => randomBytes(bytes).toString("base64url")
