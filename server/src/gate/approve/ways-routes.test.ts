import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { checkCode } from "#approvals"
import { Refusal } from "#kernel"
import { asking, openTestAsking, type TestAsking, until } from "./ways.fixture.ts"
import { waysRoutes } from "./ways-routes.ts"

const hr = { issuer: "https://id.example", profile: "keycloak", clientId: "safeconduct" }
const claims = { login: "preferred_username" }

let at: TestAsking
before(async () => {
  at = await openTestAsking({
    providers: { hr: { ...hr, claims, ciba: { mode: "ping", hintClaim: "login", channel: {} } } },
    approvals: { ...asking.approvals, proofs: { sign: ["provider"] } },
  })
})
after(() => at[Symbol.asyncDispose]())

/** Calls a route as the web listener would, with nobody known. */
async function post(path: string, body: object, headers: { [name: string]: string } = {}) {
  for (const route of waysRoutes(at.rooms)) {
    const match = new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`).exec(path)
    if (match === null) continue
    assert.deepEqual([route.right, route.listeners], ["public", ["web"]])
    const parsed = route.body!.safeParse(body)
    if (!parsed.success) throw new Refusal("invalid-request", "The body is not what it has to be.")
    const request = { caller: null, params: { ...match.groups }, query: {}, body: parsed.data as never }
    return await route.handle({ ...request, headers: new Headers(headers), listener: "web" })
  }
  return assert.fail(`no route ${path}`)
}
const bearer = (text: string) => ({ authorization: `Bearer ${text}` })

test("Keycloak's channel takes its own request with a bearer, and nothing else", async () => {
  const { approval } = await at.held()
  await using _ = at.start()
  await until(async () => (await at.rooms.approvals.ways.of(approval.id, at.at.alice.id))?.state === "asked")
  const asked = {
    login_hint: "alice",
    scope: "openid profile",
    is_consent_required: false,
    binding_message: checkCode(approval.action!.digest),
    acr_values: "",
  }
  const place = "/sign-in/hr/ciba-channel"
  await assert.rejects(post(place, asked), { code: "token-invalid" })
  await assert.rejects(post(place, asked, { authorization: "Basic YTpi" }), { code: "token-invalid" })
  await assert.rejects(post(place, { ...asked, binding_message: "another" }, bearer("b")), { code: "approval-unknown" })
  await assert.rejects(post(place, { login_hint: "alice" }, bearer("b")), { code: "invalid-request" })
  assert.deepEqual(await post(place, asked, bearer("b")), {})
  const found = await at.rooms.approvals.ways.of(approval.id, at.at.alice.id)
  assert.equal(found!.channel!.bearer!.reveal(), "b")
})

test("a ping makes us fetch the answer at once, and says nothing by itself", async () => {
  const { approval } = await at.held()
  // The provider gives a minute between two polls.
  const { ask, poll } = at.next
  at.next.ask = async () => ({ ...(await ask()), intervalSeconds: 60 }) as never
  at.next.poll = async () => ({ state: "approved", proof: at.proof() })
  await using _ = at.start()
  await until(async () => (await at.rooms.approvals.ways.of(approval.id, at.at.alice.id))?.state === "asked")
  const token = at.asked.at(-1)!.pingToken!.reveal()
  const said = { auth_req_id: "somebody-else's" }
  for (const wrong of [{}, bearer("another"), bearer(`${token}x`), { authorization: token }]) {
    await assert.rejects(post("/sign-in/hr/ciba-ping", said, wrong), { code: "token-invalid" })
  }
  await assert.rejects(post("/sign-in/other/ciba-ping", said, bearer(token)), { code: "token-invalid" })
  assert.equal((await at.rooms.approvals.find(approval.id))!.state, "requested")
  const answer = (await post("/sign-in/hr/ciba-ping", said, bearer(token))) as Response
  assert.equal(answer.status, 204)
  await until(async () => (await at.rooms.approvals.ways.of(approval.id, at.at.alice.id))?.state === "approved")
  assert.equal((await at.rooms.approvals.find(approval.id))!.state, "approved")
  await assert.rejects(post("/sign-in/hr/ciba-ping", said, bearer(token)), { code: "token-invalid" })
  Object.assign(at.next, { ask, poll })
})
