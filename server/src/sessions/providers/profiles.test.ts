import assert from "node:assert/strict"
import { test } from "node:test"
import type { JWTPayload } from "jose"
import { issuer, openTestProviders } from "./fixture.ts"
import type { ProfileName, SubjectTokenType } from "./index.ts"
import { profileOf, profiles } from "./profiles.ts"
import { type FakeProvider, idClaims, startFakeProvider } from "./provider.fixture.ts"

const ID: SubjectTokenType = "urn:ietf:params:oauth:token-type:id_token"
const ACCESS: SubjectTokenType = "urn:ietf:params:oauth:token-type:access_token"
const tenant = "11111111-2222-3333-4444-555555555555"
const oid = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb"
const keycloakId = { typ: "ID", azp: "shop-web" }
const keycloakAccess = { typ: "Bearer", azp: "shop-web" }

/** What each maker's tokens look like: header and claims besides the common ones, and what is no token of that type. */
const shapes: {
  profile: ProfileName
  path?: string
  id: [header: object, claims: object][]
  notId: [header: object, claims: object][]
  access: [header: object, claims: object, clients: string[]][]
  notAccess: [header: object, claims: object][]
}[] = [
  {
    profile: "generic",
    id: [[{}, {}]],
    notId: [
      [{ typ: "at+jwt" }, { client_id: "shop-web" }],
      // An access token that says neither what it is: it has scopes.
      [{ typ: "JWT" }, { client_id: "shop-web", scope: "a" }],
      [{}, { scp: ["a"] }],
    ],
    access: [[{ typ: "at+jwt" }, { client_id: "shop-web" }, ["shop-api", "shop-web"]]],
    notAccess: [[{ typ: "JWT" }, { client_id: "shop-web", scope: "a" }]],
  },
  {
    profile: "okta",
    id: [[{}, { ver: 1, jti: "ID.x", idp: "00o1" }]],
    notId: [[{}, { ver: 1, jti: "AT.x", cid: "shop-web", scp: ["openid"] }]],
    access: [
      [
        {},
        { ver: 1, cid: "shop-web", uid: "alice", sub: "alice@shop.example", scp: ["openid"] },
        ["shop-api", "shop-web"],
      ],
    ],
    notAccess: [
      [{}, { ver: 1, jti: "ID.x" }],
      // Without uid it says only what the user signs in with.
      [{}, { ver: 1, cid: "shop-web", sub: "alice@shop.example", scp: ["openid"] }],
      [{ typ: "application/okta-internal-at+jwt" }, { cid: "shop-web", scp: ["openid"] }],
    ],
  },
  {
    profile: "ibm-verify",
    id: [[{}, {}]],
    notId: [[{ typ: "at+jwt" }, {}]],
    access: [[{ typ: "at+jwt" }, { client_id: "shop-web" }, ["shop-api", "shop-web"]]],
    notAccess: [[{}, { client_id: "shop-web" }]],
  },
  {
    profile: "auth0",
    path: "/",
    id: [[{ typ: "JWT" }, { sid: "s" }]],
    notId: [[{ typ: "JWT" }, { azp: "shop-web", scope: "openid" }]],
    access: [
      [{ typ: "JWT" }, { azp: "shop-web", scope: "openid" }, ["shop-api", "shop-web"]],
      [{ typ: "at+jwt" }, { client_id: "shop-web", jti: "j" }, ["shop-api", "shop-web"]],
    ],
    notAccess: [[{ typ: "JWT" }, { sid: "s" }]],
  },
  {
    profile: "keycloak",
    id: [[{ typ: "JWT" }, keycloakId]],
    notId: [
      [{ typ: "JWT" }, keycloakAccess],
      [{ typ: "JWT" }, { typ: "Refresh" }],
      [{ typ: "JWT" }, { typ: "Logout" }],
      [{ typ: "JWT" }, {}],
    ],
    access: [[{ typ: "JWT" }, keycloakAccess, ["shop-api", "shop-web"]]],
    notAccess: [
      [{ typ: "JWT" }, keycloakId],
      [{ typ: "JWT" }, { typ: "Refresh", azp: "shop-web" }],
      [{ typ: "JWT" }, { typ: "Offline", azp: "shop-web" }],
    ],
  },
  {
    profile: "google",
    id: [[{}, { azp: "shop-app" }]],
    notId: [],
    access: [],
    notAccess: [[{ typ: "at+jwt" }, { client_id: "shop-web" }]],
  },
  {
    profile: "entra",
    path: `/${tenant}/v2.0`,
    id: [[{ typ: "JWT" }, { ver: "2.0", oid, tid: tenant }]],
    notId: [
      [{ typ: "JWT" }, { ver: "2.0", oid, tid: tenant, scp: "access", azp: "shop-web" }],
      [{ typ: "JWT" }, { ver: "2.0", tid: tenant }],
    ],
    access: [[{ typ: "JWT" }, { ver: "2.0", oid, scp: "access", azp: "shop-web" }, ["shop-api", "shop-web"]]],
    notAccess: [
      // An application's own token: nobody's (learn.microsoft.com, "Access token claims": roles without scp).
      [{ typ: "JWT" }, { ver: "2.0", oid, roles: ["all"], azp: "shop-web" }],
      [{ typ: "JWT" }, { ver: "1.0", oid, scp: "access", appid: "shop-web" }],
    ],
  },
  {
    profile: "ping",
    id: [[{}, { sid: "s" }]],
    notId: [[{}, { client_id: "shop-web", scope: "openid" }]],
    access: [
      [{}, { client_id: "shop-web", scope: "openid" }, ["shop-api", "shop-web"]],
      [{ typ: "at+jwt" }, { client_id: "shop-web", scope: "openid" }, ["shop-api", "shop-web"]],
    ],
    notAccess: [[{}, { sid: "s" }]],
  },
]

test("there is a shape for every profile", () => {
  assert.deepEqual(shapes.map(({ profile }) => profile).toSorted(), Object.keys(profiles).toSorted())
})

for (const { profile, path, id, notId, access, notAccess } of shapes) {
  test(`pitfall 14: ${profile}'s ID tokens and access tokens are told apart`, async () => {
    await using fake = await startFakeProvider(path, profileOf(profile).algorithms[0])
    await using ours = await openTestProviders({ issuer: fake.issuer, profile, clientId: "shop-web" })
    const verify = async (type: SubjectTokenType, header: object, claims: object) => {
      const aud = type === ID ? "shop-web" : "shop-api"
      const token = await fake.sign(idClaims(fake, { aud, ...claims } as JWTPayload), { ...header })
      return await ours.providers.verifySubjectToken({ token, type })
    }
    const sub = profile === "entra" ? oid : "alice"
    for (const [header, claims] of id) assert.equal((await verify(ID, header, claims)).sub, sub)
    for (const [header, claims, clients] of access) {
      const found = await verify(ACCESS, header, claims)
      assert.deepEqual([found.sub, found.clients], [sub, clients])
    }
    const invalid = { code: "subject-token-invalid" }
    for (const [header, claims] of notId) {
      await assert.rejects(verify(ID, header, claims), invalid, JSON.stringify([header, claims]))
    }
    for (const [header, claims] of notAccess) {
      await assert.rejects(verify(ACCESS, header, claims), invalid, JSON.stringify([header, claims]))
    }
  })
}

/** An ID token of Google's, with that issuer. */
async function google(fake: FakeProvider, iss: string, profile: ProfileName) {
  await using ours = await openTestProviders({ issuer: fake.issuer, profile })
  const token = await fake.sign(idClaims(fake, { iss }))
  return await ours.providers.verifySubjectToken({ token, type: ID })
}

test("Google's issuer may come without its scheme, and names the same users; nobody else's may", async () => {
  await using fake = await startFakeProvider("", "RS256")
  const bare = fake.issuer.replace("http://", "")
  assert.deepEqual((await google(fake, bare, "google")).iss, fake.issuer)
  assert.deepEqual((await google(fake, fake.issuer, "google")).iss, fake.issuer)
  for (const iss of [`https://${bare}`, `//${bare}`, bare.slice(1), ""]) {
    await assert.rejects(google(fake, iss, "google"), { code: "subject-token-invalid" }, iss)
  }
  await assert.rejects(google(fake, bare, "ping"), { code: "subject-token-invalid" })
})

test("a profile's delegated tokens are read where it issues any, and nobody's user is taken for its agent", async () => {
  for (const profile of ["okta", "ibm-verify", "auth0", "ping", "keycloak"] as const) {
    const path = profile === "auth0" ? "/" : ""
    await using fake = await startFakeProvider(path, profileOf(profile).algorithms[0])
    const delegatedTokens = { agents: { "agent-7": "support-bot" } }
    await using ours = await openTestProviders({ issuer: fake.issuer, profile, delegatedTokens })
    const [header, claims] = shapes.find((each) => each.profile === profile)!.access[0]!
    const delegated = { ...claims, aud: issuer, act: { sub: "agent-7" } }
    const token = await fake.sign(idClaims(fake, delegated), { ...header })
    const found = await ours.providers.verifySubjectToken({ token, type: ACCESS })
    assert.deepEqual([found.sub, found.delegated?.agent, found.isForUs], ["alice", "support-bot", true], profile)
  }
})
