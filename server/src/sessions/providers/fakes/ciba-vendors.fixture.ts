import { auth0 } from "./auth0.fixture.ts"
import { type CibaVendor, randomText } from "./ciba.fixture.ts"
import { ibmVerify } from "./ibm-verify.fixture.ts"
import { keycloak } from "./keycloak.fixture.ts"
import { okta } from "./okta.fixture.ts"
import { ping } from "./ping.fixture.ts"

/** A parameter that is a positive integer, not above that; one that is not there is right. */
function isSeconds(form: URLSearchParams, name: string, max: number): boolean {
  const said = form.get(name)
  return said === null || (/^[1-9][0-9]*$/.test(said) && Number(said) <= max)
}

/**
 * developer.okta.com, "Configure CIBA" and the endpoint's reference: a form without `requested_expiry`, whose name is
 * `request_expiry` here; `login_hint` "is typically the user's email address"; the example's `auth_req_id` has 34 characters.
 */
const oktaCiba: CibaVendor = {
  vendor: okta,
  configuration: {
    clientAuthentication: "client_secret_basic",
    claims: { customer: "customer_id", login: "preferred_username" },
    ciba: { hintClaim: "login" },
  },
  endpoint: { isDiscovered: false, path: "v1/bc/authorize" },
  claims: { login: ["alice@shop.example"] },
  judge(form) {
    if (form.has("requested_expiry") || !isSeconds(form, "request_expiry", 300)) return "invalid_request"
    return form.get("login_hint") === "alice@shop.example" ? null : "invalid_request"
  },
  acknowledgement: { auth_req_id: () => randomText(25), expires_in: 300, interval: 5 },
  hasSlowDown: true,
}

/**
 * auth0.com/docs, "User authentication with CIBA" and "Back-channel login": a required `binding_message` of 64 characters,
 * `login_hint` as JSON with the tenant's issuer, that ends in a slash, and `requested_expiry` of at most 300 seconds where the
 * person is asked by push; the docs' own table says `request_expiry`, its reference and SDK what stands here.
 */
const auth0Ciba: CibaVendor = {
  vendor: auth0,
  configuration: { ciba: { detailsType: "hr_action" } },
  endpoint: { isDiscovered: true, path: "bc-authorize" },
  claims: {},
  judge(form, issuer) {
    if (!/^[A-Za-z0-9+\-_.,:#]{1,64}$/.test(form.get("binding_message") ?? "")) return "invalid_binding_message"
    if (!isSeconds(form, "requested_expiry", 300)) return "invalid_request"
    const hint = JSON.parse(form.get("login_hint") ?? "null") as { [name: string]: string } | null
    const isUser = hint?.["format"] === "iss_sub" && hint["iss"] === issuer && hint["sub"] === auth0.expected.sub
    if (!isUser) return "unknown_user_id"
    const details = JSON.parse(form.get("authorization_details") ?? "[]") as { type?: string }[]
    return details.length <= 1 && details.every(({ type }) => type === "hr_action")
      ? null
      : "invalid_authorization_details"
  },
  acknowledgement: { auth_req_id: () => `eyJh.${randomText(120)}.${randomText(40)}`, expires_in: 300, interval: 5 },
  hasSlowDown: true,
}

/**
 * docs.verify.ibm.com, "Client-Initiated Backchannel Authentication": poll alone, a hint "that identifies the user uniquely". What
 * the page does not say is CIBA Core's; there is no `interval`, so that its five seconds hold.
 */
const ibmCiba: CibaVendor = {
  vendor: ibmVerify,
  configuration: {
    claims: { customer: "customer_id", login: "preferred_username" },
    ciba: { hintClaim: "login", acrValues: ["urn:ibm:security:policy:id:331844"], maxAgeSeconds: 60 },
  },
  endpoint: { isDiscovered: true, path: "ciba" },
  claims: { login: ["alice"] },
  judge(form) {
    if (form.has("client_notification_token") || form.has("request")) return "invalid_request"
    if (!isSeconds(form, "requested_expiry", 3_600)) return "invalid_request"
    return form.get("login_hint") === "alice" ? null : "unknown_user_id"
  },
  acknowledgement: { auth_req_id: () => randomText(24), expires_in: 120 },
  hasSlowDown: false,
}

/**
 * Keycloak 26, BackchannelAuthenticationEndpoint and CibaGrantType: a user name as `login_hint` ("invalid user" is an
 * `invalid_request`), `binding_message` by a pattern of 50 characters, no `user_code`; an `auth_req_id` that is a token of some length;
 * the realm's own time to live, whatever was asked for; `slow_down` for who polls too fast, and so before anything else.
 */
const keycloakCiba: CibaVendor = {
  vendor: keycloak,
  configuration: {
    claims: { customer: "customer_id", login: "preferred_username" },
    ciba: { hintClaim: "login" },
  },
  endpoint: { isDiscovered: true, path: "protocol/openid-connect/ext/ciba/auth" },
  claims: { login: ["alice"] },
  judge(form) {
    if (form.has("user_code") || form.has("client_notification_token")) return "invalid_request"
    const message = form.get("binding_message")
    if (message !== null && !/^[a-zA-Z0-9-._+/!?#]{1,50}$/.test(message)) return "invalid_binding_message"
    return form.get("login_hint") === "alice" ? null : "invalid_request"
  },
  acknowledgement: {
    auth_req_id: () => `${randomText(60)}..${randomText(900)}.${randomText(20)}`,
    expires_in: 120,
    interval: 5,
  },
  hasSlowDown: true,
}

/** developer.pingidentity.com, "CIBA authorize" of PingOne: `/{environment}/as/cibaAuthorization`, one hint; Core's names. */
const pingCiba: CibaVendor = {
  vendor: ping,
  configuration: { ciba: {} },
  endpoint: { isDiscovered: true, path: "cibaAuthorization" },
  claims: {},
  judge: (form) => (form.get("login_hint") === ping.expected.sub ? null : "unknown_user_id"),
  acknowledgement: { auth_req_id: () => randomText(30), expires_in: 120, interval: 3 },
  hasSlowDown: true,
}

/** Every maker whose documents have CIBA. */
export const cibaVendors: readonly CibaVendor[] = [oktaCiba, auth0Ciba, ibmCiba, keycloakCiba, pingCiba]
