import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { issuer as ourIssuer } from "../fixture.ts"
import { newKey } from "../provider.fixture.ts"
import type { SubjectToken, SubjectTokenType } from "../subject-tokens.ts"
import { auth0Delegated, auth0Rfc9068 } from "./auth0.fixture.ts"
import { entraAppToken, entraV1Token } from "./entra.fixture.ts"
import { ibmDelegated, ibmIntrospection } from "./ibm-verify.fixture.ts"
import { oktaAgentToken, oktaIdJag, oktaOrgToken } from "./okta.fixture.ts"
import { type Opened, openVendor } from "./opened.fixture.ts"
import { pingDelegated, pingNoActor } from "./ping.fixture.ts"
import { type About, SHOP_CLIENT, type Unsigned, type Vendor } from "./vendor.fixture.ts"
import { vendors } from "./vendors.fixture.ts"

const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
const API = "https://api.shop.example"
const refused = { code: "subject-token-invalid" }
const vendorOf = (profile: Vendor["profile"]) => vendors.find((each) => each.profile === profile)!

/** A vendor's provider for the tests of one block, and what our side makes of a token of it. */
function withVendor(vendor: Vendor) {
  let opened: Opened
  before(async () => {
    opened = await openVendor(vendor)
  })
  after(() => opened[Symbol.asyncDispose]())
  const about = (more: Partial<About> = {}) => opened.started.about({ client: SHOP_CLIENT, ...more })
  const verify = (token: string, type: SubjectTokenType) =>
    opened.ours.providers.verifySubjectToken({ token, type, provider: "shop" })
  return {
    about,
    verify,
    opened: () => opened,
    async judge(token: Unsigned, type: SubjectTokenType): Promise<SubjectToken> {
      return await verify(await opened.started.sign(token), type)
    },
  }
}

function changed({ header, payload }: Unsigned, claims: { [claim: string]: unknown }): Unsigned {
  return { header, payload: JSON.parse(JSON.stringify({ ...payload, ...claims })) }
}

for (const vendor of vendors) {
  describe(`tokens of the shop's web site from ${vendor.profile}`, () => {
    const { about, judge, opened } = withVendor(vendor)
    const { accessToken, expected } = vendor

    test("an ID token says who the user is, and for which client", async () => {
      const found = await judge(vendor.idToken(about()), ID_TOKEN)
      assert.deepEqual(
        [found.iss, found.sub, found.claims, found.clients, found.isForUs, found.delegated],
        [opened().started.issuer, expected.sub, expected.claims, [SHOP_CLIENT], false, null],
      )
    })

    if (accessToken !== null) {
      test("an access token is the same user's, and names its client", async () => {
        const found = await judge(accessToken(about()), ACCESS_TOKEN)
        assert.deepEqual([found.iss, found.sub], [opened().started.issuer, expected.sub])
        assert.deepEqual(found.claims["customer"], ["1001"])
        assert.ok(found.clients.includes(SHOP_CLIENT))
        assert.ok(found.clients.includes(API), "whom it is for has to be the application, too")
      })

      test("neither is taken for the other", async () => {
        await assert.rejects(judge(accessToken(about()), ID_TOKEN), refused)
        await assert.rejects(judge(vendor.idToken(about()), ACCESS_TOKEN), refused)
        for (const token of [accessToken(about()), vendor.idToken(about())])
          await assert.rejects(judge(token, ID_JAG), refused)
      })

      const wrong: { [what: string]: { [claim: string]: unknown } } = {
        "of another issuer": { iss: "https://id.other.example" },
        "that has expired": { exp: Math.floor(Date.now() / 1000) - 600 },
        "that is not valid yet": { nbf: Math.floor(Date.now() / 1000) + 600 },
        "without an audience": { aud: undefined },
        "without the claim that names the user": { sub: undefined, oid: undefined, uid: undefined },
        "that is bound to a key": { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } },
      }
      for (const [what, claims] of Object.entries(wrong)) {
        test(`an access token ${what} is refused`, async () => {
          await assert.rejects(judge(changed(accessToken(about()), claims), ACCESS_TOKEN), refused)
        })
      }

      test("an access token that somebody else signed is refused", async () => {
        const { fake } = opened().started
        const { header, payload } = accessToken(about())
        const stranger = await newKey(fake.key.kid, fake.key.alg)
        const token = await fake.sign(payload, header, stranger)
        await assert.rejects(opened().ours.providers.verifySubjectToken({ token, type: ACCESS_TOKEN }), refused)
      })
    }
  })
}

describe("Okta's tokens", () => {
  const { about, judge } = withVendor(vendorOf("okta"))

  test("what is meant for Okta alone is refused", async () => {
    await assert.rejects(judge(oktaOrgToken(about()), ACCESS_TOKEN), refused)
  })

  test("an ID-JAG for us names the user, the agent that acts, and who acted before it", async () => {
    const found = await judge(oktaIdJag(about({ audience: ourIssuer, client: "wlp16vatepit" })), ID_JAG)
    assert.deepEqual(
      [found.sub, found.isForUs, found.delegated],
      [
        vendorOf("okta").expected.sub,
        true,
        { agent: "support-bot", actor: "wlp16vatepit", before: ["0oa9aw62CPUnXomeU9c5"] },
      ],
    )
    assert.deepEqual(found.clients, ["wlp16vatepit"])
    assert.ok(found.jti !== null)
  })

  test("an ID-JAG for another server, or for us among others, is refused", async () => {
    const token = oktaIdJag(about({ audience: ourIssuer }))
    for (const aud of ["https://resource.example", [ourIssuer], [ourIssuer, "https://resource.example"]])
      await assert.rejects(judge(changed(token, { aud }), ID_JAG), refused)
  })

  test("an agent's access token is not read: nothing documented tells it from an ID token", async () => {
    const token = oktaAgentToken(about({ audience: ourIssuer }))
    for (const type of [ACCESS_TOKEN, ID_TOKEN, ID_JAG] as const) await assert.rejects(judge(token, type), refused)
  })
})

describe("IBM Verify's tokens", () => {
  const vendor = vendorOf("ibm-verify")
  const { about, verify, opened } = withVendor(vendor)
  const opaque = "A7y0nh0aaDpz8g0aTcVVBnr6veTocbYLpH7K8Jqn"

  test("an opaque access token is asked about at the provider, and known as long as that knows it", async () => {
    const { introspected } = opened().started
    introspected.set(opaque, ibmIntrospection(about()))
    const { sub, clients, claims } = await verify(opaque, ACCESS_TOKEN)
    assert.deepEqual([sub, clients, claims["customer"]], [vendor.expected.sub, [SHOP_CLIENT], ["1001"]])
    introspected.delete(opaque)
    await assert.rejects(verify(opaque, ACCESS_TOKEN), refused)
  })

  test("an answer about a token of another issuer, or that is no bearer token, is refused", async () => {
    const { introspected } = opened().started
    for (const more of [{ iss: "https://id.other.example" }, { token_type: undefined }, { token_type: "DPoP" }]) {
      introspected.set(opaque, { ...ibmIntrospection(about()), ...more })
      await assert.rejects(verify(opaque, ACCESS_TOKEN), refused)
    }
  })
})

describe("IBM Verify's delegated tokens", () => {
  const vendor = vendorOf("ibm-verify")
  const { about, judge } = withVendor({ ...vendor, configuration: { ...vendor.configuration, accessTokens: "jwt" } })
  const token = () => ibmDelegated(about({ audience: ourIssuer }))

  test("one for us names the user, the agent, the session there, and what was granted", async () => {
    const { sub, isForUs, delegated, sid, details } = await judge(token(), ACCESS_TOKEN)
    assert.deepEqual([sub, isForUs, sid], [vendor.expected.sub, true, "session-at-the-provider"])
    assert.deepEqual(delegated, {
      agent: "support-bot",
      actor: "2820b48c-bb13-4244-94d6-424f1390ef88",
      before: [],
    })
    assert.deepEqual(details, [{ type: "safeconduct_action", actions: ["sql:read"], locations: ["orders"] }])
  })

  test("who acted before has no say: only the outermost actor is the agent", async () => {
    const inner = { sub: "2820b48c-bb13-4244-94d6-424f1390ef88" }
    await assert.rejects(judge(changed(token(), { act: { sub: "a-stranger", act: inner } }), ACCESS_TOKEN), refused)
  })

  test("one for somebody else, for us among others, or by nobody we know is refused", async () => {
    for (const claims of [
      { aud: API },
      { aud: [ourIssuer, API] },
      { act: { sub: "a-stranger" } },
      { act: { sub: "2820b48c-bb13-4244-94d6-424f1390ef88", iss: "https://id.other.example" } },
      { act: {} },
      { act: [] },
      { authorization_details: [{ type: "safeconduct_action", actions: ["sql:read"], everything: true }] },
    ])
      await assert.rejects(judge(changed(token(), claims), ACCESS_TOKEN), refused, JSON.stringify(claims))
  })

  test("the user's own token says who may act for them", async () => {
    const { act: _, ...own } = token().payload as { [claim: string]: unknown }
    const mayAct = { sub: "2820b48c-bb13-4244-94d6-424f1390ef88" }
    const found = await judge({ header: { typ: "at+jwt" }, payload: { ...own, may_act: mayAct } }, ACCESS_TOKEN)
    assert.deepEqual([found.delegated, found.mayAct], [null, [{ agent: "support-bot", claim: "may_act" }]])
  })
})

describe("Auth0's tokens", () => {
  const { about, judge, opened } = withVendor(vendorOf("auth0"))

  test("the dialect of RFC 9068 is read as well, with its client", async () => {
    const { clients } = await judge(auth0Rfc9068(about()), ACCESS_TOKEN)
    assert.deepEqual(clients, [API, SHOP_CLIENT].sort())
  })

  test("the default dialect names the tenant's UserInfo as an audience, which has to be the application's, too", async () => {
    const { clients } = await judge(vendorOf("auth0").accessToken!(about()), ACCESS_TOKEN)
    assert.deepEqual(clients, [`${opened().started.issuer}userinfo`, API, SHOP_CLIENT].sort())
  })

  test("a delegated token for us names the agent, not the client that it came by", async () => {
    const { delegated } = await judge(auth0Delegated(about({ audience: ourIssuer })), ACCESS_TOKEN)
    const before = ["K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja"]
    assert.deepEqual(delegated, { agent: "support-bot", actor: "agt_2qXbFhTMtSnWwNL5", before })
  })
})

describe("PingOne's tokens", () => {
  const { about, judge } = withVendor(vendorOf("ping"))

  test("the user's token says who may act, the exchanged one who does", async () => {
    const own = await judge(vendorOf("ping").accessToken!(about()), ACCESS_TOKEN)
    assert.deepEqual([own.delegated, own.mayAct], [null, [{ agent: "support-bot", claim: "may_act" }]])
    const { delegated, sid } = await judge(pingDelegated(about({ audience: ourIssuer })), ACCESS_TOKEN)
    const actor = "adeeb901-7b64-453d-92bc-059bcbcc5958"
    assert.deepEqual([delegated, sid], [{ agent: "support-bot", actor, before: [] }, "session-at-the-provider"])
  })

  test("a word where an actor stands is no actor, and no absence of one", async () => {
    await assert.rejects(judge(pingNoActor(about({ audience: ourIssuer })), ACCESS_TOKEN), refused)
  })

  test("an actor as a text of JSON, which an expression writes, lets nobody act", async () => {
    const token = vendorOf("ping").accessToken!(about())
    const mayAct = JSON.stringify({ sub: "adeeb901-7b64-453d-92bc-059bcbcc5958" })
    assert.deepEqual((await judge(changed(token, { may_act: mayAct }), ACCESS_TOKEN)).mayAct, [])
  })
})

describe("Google's tokens", () => {
  const vendor = vendorOf("google")
  const { about, judge, verify, opened } = withVendor(vendor)

  test("the issuer without its scheme is the same issuer, and recorded as the configured one", async () => {
    const bare = opened().started.issuer.replace("http://", "")
    const found = await judge(changed(vendor.idToken(about()), { iss: bare }), ID_TOKEN)
    assert.equal(found.iss, opened().started.issuer)
  })

  test("an ID token that another client asked for names both", async () => {
    const token = changed(vendor.idToken(about()), { azp: "the-phone-s-client" })
    assert.deepEqual((await judge(token, ID_TOKEN)).clients, [SHOP_CLIENT, "the-phone-s-client"].sort())
  })

  test("access tokens are opaque, and nobody can be asked", async () => {
    await assert.rejects(verify("ya29.a0AfH6SMBx-opaque", ACCESS_TOKEN), refused)
  })
})

describe("Keycloak's tokens", () => {
  const vendor = vendorOf("keycloak")
  const { about, judge } = withVendor(vendor)

  test("whatever does not say that it is an ID token, or an access token, is neither", async () => {
    for (const typ of ["Refresh", "Offline", "Logout", "Serialized-ID", "id", undefined]) {
      await assert.rejects(judge(changed(vendor.idToken(about()), { typ }), ID_TOKEN), refused, `${typ}`)
      await assert.rejects(judge(changed(vendor.accessToken!(about()), { typ }), ACCESS_TOKEN), refused, `${typ}`)
    }
  })
})

describe("Entra's tokens", () => {
  const { about, judge } = withVendor(vendorOf("entra"))

  test("a token of an application without a user, and one of version 1.0, are refused", async () => {
    await assert.rejects(judge(entraAppToken(about()), ACCESS_TOKEN), refused)
    await assert.rejects(judge(entraV1Token(about()), ACCESS_TOKEN), refused)
  })
})
