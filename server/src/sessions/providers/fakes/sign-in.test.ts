import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { SignJWT, UnsecuredJWT } from "jose"
import { redirectUri } from "../fixture.ts"
import { profileOf } from "../profiles.ts"
import { newKey } from "../provider.fixture.ts"
import type { SignedIn } from "../sign-in.ts"
import { type Opened, openVendor } from "./opened.fixture.ts"
import type { StartedVendor, Unsigned } from "./vendor.fixture.ts"
import { vendors } from "./vendors.fixture.ts"

/** What makes an ID token one that has to be refused, whoever issues it. */
const wrong: { [what: string]: (token: Unsigned, vendor: StartedVendor) => Unsigned | Promise<string> } = {
  "of another issuer": changed({ iss: "https://id.other.example" }),
  "of the issuer with a slash more, or one less": (token, { issuer }) =>
    changed({ iss: issuer.endsWith("/") ? issuer.slice(0, -1) : `${issuer}/` })(token),
  "for another client": changed({ aud: "another-client" }),
  "for another client too, which asked for it": changed({
    aud: ["safeconduct", "another-client"],
    azp: "another-client",
  }),
  "with the nonce of another sign-in": changed({ nonce: "the-nonce-of-another-sign-in" }),
  "without a nonce": changed({ nonce: undefined }),
  "without a subject": changed({ sub: undefined, oid: undefined }),
  "that has expired": changed({ exp: Math.floor(Date.now() / 1000) - 600 }),
  "made in the future": changed({ iat: Math.floor(Date.now() / 1000) + 600, nbf: Math.floor(Date.now() / 1000) + 600 }),
  "that nobody signed": async ({ payload }) => new UnsecuredJWT(payload).encode(),
  "signed with the public key as a shared secret": async ({ header, payload }, { fake }) =>
    await new SignJWT(payload)
      .setProtectedHeader({ ...header, alg: "HS256", kid: fake.key.kid })
      .sign(Buffer.from(JSON.stringify(fake.key.jwk))),
  "signed by somebody else under the name of its key": async (token, { fake }) => {
    const stranger = await newKey(fake.key.kid, fake.key.alg)
    return await fake.sign(token.payload, token.header, stranger)
  },
  "with the key that signed it in its header": async (token, { fake }) => {
    const stranger = await newKey("stranger", fake.key.alg)
    return await fake.sign(token.payload, { ...token.header, jwk: stranger.jwk }, stranger)
  },
  "that is a logout token": changed({ events: { "http://schemas.openid.net/event/backchannel-logout": {} } }),
  "that an agent acts by": changed({ act: { sub: "some-agent" } }),
}

function changed(claims: { [claim: string]: unknown }): (token: Unsigned) => Unsigned {
  return ({ header, payload }) => ({ header, payload: JSON.parse(JSON.stringify({ ...payload, ...claims })) })
}

for (const vendor of vendors) {
  describe(`sign-in at ${vendor.profile}`, () => {
    let opened: Opened
    before(async () => {
      opened = await openVendor(vendor)
    })
    after(() => opened[Symbol.asyncDispose]())

    async function signIn(change?: (back: URL) => void): Promise<SignedIn> {
      const { providers } = opened.ours
      const { url, pending } = await providers.beginSignIn({ provider: "shop", redirectUri })
      const back = opened.started.visit(url)
      change?.(back)
      return await providers.finishSignIn(pending, back)
    }
    const refused = { code: "sign-in-failed" }

    test("tells who signed in, by the subject that stays, with mapped claims and roles", async () => {
      opened.started.alter = (token) => token
      const { idTokenDigest, authTimeMs, issuedAtMs, sid, amr, roleValues, ...who } = await signIn()
      const { sub, claims, roles, hasSid, acr } = vendor.expected
      assert.deepEqual(who, {
        provider: "shop",
        iss: opened.started.issuer,
        sub,
        claims,
        roles,
        acr,
        authorizationDetails: null,
      })
      assert.equal(roleValues.length, roles.length)
      assert.equal(sid, hasSid ? "session-at-the-provider" : null)
      assert.match(idTokenDigest, /^[\w-]{43}$/)
      assert.equal(issuedAtMs % 1000, 999)
    })

    for (const [what, alter] of Object.entries(wrong)) {
      test(`an ID token ${what} is refused`, async () => {
        opened.started.alter = (token) => alter(token, opened.started)
        await assert.rejects(signIn(), refused)
      })
    }

    const takesBoth = profileOf(vendor.profile).algorithms.length > 2
    test(`an ID token by another of the provider's keys, with ES256, is ${takesBoth ? "taken" : "refused"}`, async () => {
      const { sign, otherKey } = opened.started
      assert.equal(otherKey.alg, "ES256")
      opened.started.alter = (token) => sign(token, otherKey)
      if (takesBoth) assert.equal((await signIn()).sub, vendor.expected.sub)
      else await assert.rejects(signIn(), refused)
    })

    const { accessToken } = vendor
    if (accessToken !== null) {
      test("an access token in the place of the ID token is refused", async () => {
        const { about, sign } = opened.started
        opened.started.alter = ({ payload: { nonce } }) => {
          const { header, payload } = accessToken(about({ audience: "safeconduct" }))
          return sign({ header, payload: { ...payload, aud: "safeconduct", nonce } })
        }
        await assert.rejects(signIn(), refused)
      })
    }

    test("an answer to another sign-in, or from another provider, is refused", async () => {
      opened.started.alter = (token) => token
      await assert.rejects(
        signIn((back) => back.searchParams.set("state", "another")),
        refused,
      )
      await assert.rejects(
        signIn((back) => back.searchParams.set("iss", "https://id.other.example")),
        refused,
      )
    })

    test("a code is redeemed once", async () => {
      opened.started.alter = (token) => token
      const { providers } = opened.ours
      const { url, pending } = await providers.beginSignIn({ provider: "shop", redirectUri })
      const back = opened.started.visit(url)
      await providers.finishSignIn(pending, back)
      await assert.rejects(providers.finishSignIn(pending, back), refused)
    })

    test("metadata that name another issuer are not used", async () => {
      await using another = await openVendor(vendor)
      another.started.fake.metadata = { ...another.started.fake.metadata, issuer: "https://id.other.example" }
      await assert.rejects(another.ours.providers.beginSignIn({ provider: "shop", redirectUri }), {
        code: "provider-unavailable",
      })
    })
  })
}
