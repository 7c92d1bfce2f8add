import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { auth0Logout } from "./auth0.fixture.ts"
import { keycloakLogout } from "./keycloak.fixture.ts"
import { type Opened, openVendor } from "./opened.fixture.ts"
import type { About, Unsigned } from "./vendor.fixture.ts"
import { vendors } from "./vendors.fixture.ts"

const back = "https://safeconduct.example/me"

/** Where a browser ends its session: path and parameters; null where there is no such place, or not without the ID token. */
const places: { [profile: string]: { path: string; parameters: string[] } | null } = {
  okta: { path: "/v1/logout", parameters: ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"] },
  "ibm-verify": null,
  auth0: { path: "v2/logout", parameters: ["client_id", "id_token_hint", "returnTo", "state"] },
  keycloak: {
    path: "/protocol/openid-connect/logout",
    parameters: ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"],
  },
  google: null,
  entra: {
    path: "/oauth2/v2.0/logout",
    parameters: ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"],
  },
  ping: { path: "/signoff", parameters: ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"] },
}
/** Those that document back-channel logout, and what they send. */
const senders: { [profile: string]: (about: About) => Unsigned } = {
  auth0: auth0Logout,
  keycloak: keycloakLogout,
  "keycloak before 26": (about) => keycloakLogout(about, "JWT"),
}

for (const vendor of vendors) {
  describe(`logout at ${vendor.profile}`, () => {
    let opened: Opened
    before(async () => {
      opened = await openVendor(vendor)
    })
    after(() => opened[Symbol.asyncDispose]())

    test("a user's browser is sent to where the session ends, if there is such a place", async () => {
      const { sign, about } = opened.started
      const idToken = await sign(vendor.idToken(about()))
      const request = { provider: "shop", redirectUri: back, state: "s", idToken }
      const url = await opened.ours.providers.logoutUrl(request)
      const place = places[vendor.profile]!
      assert.equal(url === null, place === null)
      if (url === null || place === null) return
      const { href, searchParams } = new URL(url)
      assert.ok(href.split("?")[0]!.endsWith(place.path), href)
      assert.deepEqual([...searchParams.keys()].toSorted(), place.parameters)
      assert.equal(searchParams.get("returnTo") ?? searchParams.get("post_logout_redirect_uri"), back)
    })

    for (const [name, logoutToken] of Object.entries(senders).filter(([name]) => name.startsWith(vendor.profile))) {
      const judge = async (token: Unsigned) =>
        await opened.ours.providers.verifyLogoutToken("shop", await opened.started.sign(token))

      test(`a logout token of ${name} names the user and the session there`, async () => {
        const { sub, sid, iss } = await judge(logoutToken(opened.started.about()))
        assert.deepEqual([sub, sid, iss], [vendor.expected.sub, "session-at-the-provider", opened.started.issuer])
      })

      const wrong: { [what: string]: { [claim: string]: unknown } } = {
        "of another issuer": { iss: "https://id.other.example" },
        "for another client": { aud: "another-client" },
        "for another client, too": { aud: ["safeconduct", "another-client"] },
        "without the event": { events: { "https://schemas.example/other": {} } },
        "with a nonce": { nonce: "n" },
        "without a jti": { jti: undefined },
        "about nobody": { sub: undefined, sid: undefined },
        "of an hour ago": { iat: Math.floor(Date.now() / 1000) - 3600 },
      }
      for (const [what, claims] of Object.entries(wrong)) {
        test(`a logout token of ${name} ${what} is refused`, async () => {
          const { header, payload } = logoutToken(opened.started.about())
          const token = { header, payload: JSON.parse(JSON.stringify({ ...payload, ...claims })) }
          await assert.rejects(judge(token), { code: "logout-token-invalid" })
        })
      }
    }

    test("an ID token is no logout token", async () => {
      const token = await opened.started.sign(vendor.idToken(opened.started.about()))
      await assert.rejects(opened.ours.providers.verifyLogoutToken("shop", token), { code: "logout-token-invalid" })
    })
  })
}

describe("logout at Okta without the ID token, which is not kept", () => {
  test("has no URL", async () => {
    await using opened = await openVendor(vendors[0]!)
    assert.equal(await opened.ours.providers.logoutUrl({ provider: "shop", redirectUri: back }), null)
  })
})
