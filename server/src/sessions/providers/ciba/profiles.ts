import type { ProfileName } from "../profiles.ts"

/** What a maker of providers does of CIBA (OpenID CIBA Core 1.0) that discovery does not tell. */
export type CibaProfile = {
  /** How we may hear of an answer. Nobody's push: FAPI-CIBA forbids it, and no maker here has it. */
  modes: readonly ("poll" | "ping")[]
  /** The endpoint below the issuer, where discovery does not name it. */
  path: string | null
  /** How `login_hint` says whom we mean. */
  hintFormat: "plain" | "iss_sub_json"
  /** False where a plain hint is another name of the user than `sub`, so that the configuration has to say which claim it is. */
  isKnownBySub: boolean
  expiryParameter: "requested_expiry" | "request_expiry"
  /** Seconds that a request may be asked to live at the most. */
  maxExpirySeconds: number
  bindingMessage: { form: RegExp; isRequired: boolean }
  /** Requests signed by us (§7.1.1). */
  signed: "no" | "optional" | "required"
  /** True where `authorization_details` (RFC 9396) may come along. */
  takesDetails: boolean
  /** True where the provider has no way of its own to the person, and asks a back end of ours. */
  mayAskUs: boolean
}

/** Core §7.1 has a short, plain text: what is no more than this is taken everywhere. */
const PLAIN = /^[A-Za-z0-9-]{1,20}$/

/** CIBA Core as written. */
const generic: CibaProfile = {
  modes: ["poll", "ping"],
  path: null,
  hintFormat: "plain",
  isKnownBySub: true,
  expiryParameter: "requested_expiry",
  maxExpirySeconds: 3_600,
  bindingMessage: { form: PLAIN, isRequired: false },
  signed: "optional",
  takesDetails: true,
  mayAskUs: false,
}

/** By profile; null where its makers document no CIBA. */
export const cibaProfiles: { readonly [name in ProfileName]: CibaProfile | null } = {
  generic,

  /**
   * developer.okta.com, "Configure CIBA" and okta-auth-js: poll only; `/v1/bc/authorize` below the authorization server; the
   * parameter is `request_expiry`, 300 seconds unless said; `login_hint` is the name that the user signs in by, usually an
   * e-mail address; a request is signed only where the client's algorithm is registered; nothing is said of details.
   */
  okta: {
    ...generic,
    modes: ["poll"],
    path: "v1/bc/authorize",
    isKnownBySub: false,
    expiryParameter: "request_expiry",
    maxExpirySeconds: 300,
    takesDetails: false,
  },

  /** docs.verify.ibm.com, "Client-Initiated Backchannel Authentication": poll mode only, a hint that identifies the user uniquely. */
  "ibm-verify": { ...generic, modes: ["poll"], signed: "no", takesDetails: false },

  /**
   * auth0.com/docs, "User authentication with CIBA", "Back-channel login": poll; `/bc-authorize`; `login_hint` is JSON with
   * `format: iss_sub`; `binding_message` is required, 64 characters, letters, digits and `+-_.,:#`; 300 seconds at the most
   * (by push); details of one object, whose type the tenant knows. Discovery says that it takes no request objects.
   */
  auth0: {
    ...generic,
    modes: ["poll"],
    path: "bc-authorize",
    hintFormat: "iss_sub_json",
    maxExpirySeconds: 300,
    bindingMessage: { form: /^[A-Za-z0-9+\-_.,:#]{1,64}$/, isRequired: true },
    signed: "no",
  },

  /**
   * keycloak.org, Server Administration Guide, "CIBA", and its BackchannelAuthenticationEndpoint: `login_hint` is a user name or
   * e-mail address; `binding_message` of 50 characters without spaces; the realm's policy says how long a request lives; a back
   * end asks the person (its HTTP authentication channel).
   */
  keycloak: {
    ...generic,
    path: "protocol/openid-connect/ext/ciba/auth",
    isKnownBySub: false,
    bindingMessage: { form: /^[A-Za-z0-9\-._+/!?#]{1,50}$/, isRequired: false },
    takesDetails: false,
    mayAskUs: true,
  },

  /** None is documented. */
  google: null,
  entra: null,

  /** docs.pingidentity.com, "Client-initiated backchannel authentication endpoint"; PingOne polls, PingAM demands signed requests. */
  ping: { ...generic, takesDetails: false },
}
