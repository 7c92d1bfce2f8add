import assert from "node:assert/strict"
import { sign, X509Certificate } from "node:crypto"
import { after, describe, test } from "node:test"
import { newSigningRequest, type OperatorPrincipal } from "#agents"
import { generateKey, refusalCode } from "#kernel"
import { approveChange, denyChange, makingOperators, needsTwo, propose } from "./change.ts"
import { changeRoutes } from "./change-routes.ts"
import { document, openTestGate } from "./fixture.ts"

const gate = await openTestGate()
const { rooms, operator: olga } = gate
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
/** Another operator, with the key and the certificate that they connect with. */
async function operatorNamed(name: string) {
  const { token } = await rooms.agents.createJoinToken({ kind: "operator", name, roles: ["approver"] }, "server")
  const { privateKey } = generateKey()
  const { svid } = await rooms.agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
  const blocks = svid.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)!
  const chain = blocks.map((block) => new X509Certificate(block).raw)
  const principal = (await rooms.agents.identify(chain)) as OperatorPrincipal
  return { principal, privateKey, certificate: chain[0]! }
}
const key = await operatorNamed("paul")
const paul = key.principal
const asTwo = { ...document, approvals: { changes: "two-operators" } }
const two = asTwo as never
const described = (description: string) =>
  ({ ...asTwo, purposes: { answer: { ...document.purposes.answer, description } } }) as never
const other = described("Something else")
const digestInForce = () => rooms.policy.version()!.digest

type Claims = { iss: string; aud: string; change: string; digest: string; expected: string | null; iat: number }
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
function signed(claims: Claims, { x5c = key.certificate, privateKey = key.privateKey, alg = "ES256" } = {}): string {
  const input = `${part({ typ: "safeconduct-change+jwt", alg, x5c: [x5c.toString("base64")] })}.${part(claims)}`
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`
}
const claimsOf = ({ change }: Awaited<ReturnType<typeof propose>>): Claims => ({
  ...{ iss: paul.spiffeId, aud: rooms.approvals.issuer, change: change.id },
  ...{ digest: change.digest, expected: change.expected, iat: Math.floor(Date.now() / 1000) },
})

describe("a change that two operators make", () => {
  after(() => gate[Symbol.asyncDispose]())

  test("waits until another one signs it, and is in force then", async () => {
    assert.equal(needsTwo(rooms), false)
    await gate.apply(two)
    assert.equal(needsTwo(rooms), true)
    const before = digestInForce()
    const waiting = await propose(rooms, olga, other, before)
    assert.deepEqual(waiting.lines, ["~ purpose answer: description Answer questions → Something else"])
    assert.equal(digestInForce(), before)
    const signature = signed(claimsOf(waiting))
    const applied = await approveChange(rooms, paul, waiting.change.id, signature)
    assert.equal(digestInForce(), applied.digest)
    assert.equal(rooms.sessions.purpose("answer")!.description, "Something else")
    const entry = (await gate.entries("policy.change-approved")).at(-1)!
    assert.deepEqual(
      [entry.by, entry.data!["proposedBy"], entry.data!["signature"]],
      [paul.spiffeId, olga.spiffeId, signature],
    )
    await assert.rejects(approveChange(rooms, paul, waiting.change.id, signature), refusedWith("change-over"))
  })

  test("is not signed by a second operator of the first one's making: nobody gets a join token for one", async () => {
    const asked = { kind: "operator", name: "mallory", roles: ["approver"] } as const
    const before = (await gate.entries()).length
    for (const request of [asked, { kind: "operator", name: "paul" } as const]) {
      const made = rooms.agents.createJoinToken(request, olga.spiffeId, makingOperators(rooms))
      await assert.rejects(made, refusedWith("second-operator"), request.name)
    }
    assert.equal((await gate.entries()).length, before)
    assert.ok((await rooms.agents.operators()).every(({ name }) => name !== "mallory"))
  })

  test("is not signed by who proposed it, nor by anything but their own key over this very change", async () => {
    const waiting = await propose(rooms, olga, two, undefined)
    const { id } = waiting.change
    const claims = claimsOf(waiting)
    const before = digestInForce()
    await assert.rejects(approveChange(rooms, olga, id, signed(claims)), refusedWith("second-operator"))
    const twin = { ...olga, confirmation: paul.confirmation, instance: "another" }
    await assert.rejects(approveChange(rooms, twin, id, signed(claims)), refusedWith("second-operator"))
    const stranger = await operatorNamed("stranger")
    const wrong = [
      signed(claims, { privateKey: stranger.privateKey }),
      signed(claims, { x5c: stranger.certificate, privateKey: stranger.privateKey }),
      signed(claims, { alg: "none" }),
      signed({ ...claims, change: "change_other" }),
      signed({ ...claims, digest: digestInForce() }),
      signed({ ...claims, expected: null }),
      signed({ ...claims, aud: "https://elsewhere.example" }),
      signed({ ...claims, iss: olga.spiffeId }),
      signed({ ...claims, iat: claims.iat - 301 }),
      signed({ ...claims, iat: claims.iat + 120 }),
      `${signed(claims)}.more`,
      signed(claims).replace(/\.[^.]+$/, "."),
      "",
    ]
    for (const each of wrong)
      await assert.rejects(approveChange(rooms, paul, id, each), refusedWith("signature-invalid"))
    assert.equal(digestInForce(), before)
    await denyChange(rooms, olga, id)
    await assert.rejects(approveChange(rooms, paul, id, signed(claims)), refusedWith("change-over"))
  })

  test("is not put over a version that nobody looked at, and of two at once one is", async () => {
    // What is in force already changes nothing, and would leave the other its turn.
    const [first, second] = [
      await propose(rooms, olga, described("One thing"), undefined),
      await propose(rooms, olga, described("Another thing"), undefined),
    ]
    const both = await Promise.allSettled(
      [first, second, first].map((each) => approveChange(rooms, paul, each.change.id, signed(claimsOf(each)))),
    )
    assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1)
    await assert.rejects(propose(rooms, olga, two, "another digest"), refusedWith("idempotency-conflict"))
  })

  test("is what a server asks for too that has not heard yet that two have to sign", async () => {
    const late = { ...rooms, approvals: { ...rooms.approvals, part: () => rooms.approvals.parse({}) } }
    assert.deepEqual([needsTwo(late), needsTwo(rooms)], [false, true])
    const before = digestInForce()
    const route = changeRoutes(late).find(({ method, path }) => method === "PUT" && path === "/v1/policy")!
    for (const expected of [before, undefined]) {
      const asked = { caller: olga, body: { document, expected } } as never
      await assert.rejects(async () => await route.handle(asked), refusedWith("idempotency-conflict"))
    }
    assert.equal(digestInForce(), before)
  })

  test("puts right what was altered in the database, which two sign as well", async () => {
    const at = digestInForce()
    const alter = (text: string) =>
      gate.store.owner.query("update policy.versions set document = document || $2 where digest = $1", [at, text])
    await alter('{"x": 1}')
    await gate.bump()
    await rooms.epoch.refresh()
    assert.throws(() => rooms.policy.version(), refusedWith("policy-broken"))
    const waiting = await propose(rooms, olga, other, undefined)
    const { digest } = await approveChange(rooms, paul, waiting.change.id, signed(claimsOf(waiting)))
    assert.equal(digestInForce(), digest)
  })

  test("a broken configuration is refused before anybody is asked to sign it", async () => {
    const broken = { ...document, agents: { bot: { ...document.agents.bot, purposes: ["none"] } } } as never
    await assert.rejects(propose(rooms, olga, broken, undefined), refusedWith("policy-invalid"))
  })

  test("what was altered while it waited is not there any more", async () => {
    const waiting = await propose(rooms, olga, two, undefined)
    const { id } = waiting.change
    await gate.store.owner.query("update policy.changes set document = document || '{\"x\": 1}' where id = $1", [id])
    await assert.rejects(approveChange(rooms, paul, id, signed(claimsOf(waiting))), refusedWith("change-unknown"))
  })
})
