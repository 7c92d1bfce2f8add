import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { verifyApproval } from "#approvals"
import { type RefusalCode, refusalCode } from "#kernel"
import { softwarePasskey } from "#testing"
import { aRaise, heldOf, openTestApproving, type TestApproving } from "./approve.fixture.ts"
import { moreTime } from "./decide.ts"
import { enrol, evidenceOf, sign } from "./evidence.fixture.ts"
import { evidenceRoutes } from "./evidence-routes.ts"

let at: TestApproving
before(async () => {
  at = await openTestApproving()
})
after(() => at[Symbol.asyncDispose]())

function refusedWith(code: RefusalCode) {
  return (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
}

const verify = (text: string) => verifyApproval(text, [at.rooms.audit.vkey])

test("what Alice approved on her phone is proven without us: who, what she saw, which agent, which authority, and its use", async () => {
  const passkey = softwarePasskey()
  await enrol(at, at.alice, passkey)
  const session = await at.session()
  const held = heldOf(await at.raise(session))
  // Asked again while it waits: one request, two entries that it waits.
  heldOf(await at.raise(session))
  await sign(at, [held.id], at.alice, passkey)
  const done = await at.raise(session, aRaise, { approval: held.id, key: "k" })
  assert.equal(done.decision.verdict, "allow")

  const text = await evidenceOf(at, held.id)
  const found = await verify(text)
  const [by] = found.agreed
  assert.deepEqual(
    [by!.user, by!.way, by!.isSignedByThem, by!.credentialId, by!.identity?.sub],
    [at.alice.id, "passkey", true, passkey.id, "alice"],
  )
  assert.deepEqual(by!.card[0], { kind: "headline", text: "Raise E-7 to 5200" })
  assert.equal(found.asked.agent.name, "bot")
  assert.deepEqual(found.action.arguments, aRaise)
  assert.deepEqual(found.authority.policies, ["raises-are-signed"])
  assert.equal(found.used!.entry, done.entry)
  const read = (await at.gate.entries("audit.read")).at(-1)!
  assert.deepEqual(read.data, { approval: held.id })

  const bytes = Buffer.from(text)
  for (let position = 3; position < bytes.length; position += 211) {
    const changed = Buffer.from(bytes)
    changed[position]! ^= 1 << (position % 8)
    await assert.rejects(verify(changed.toString()), refusedWith("not-verified"), `byte ${position}`)
  }
})

test("of several that are signed together, each is proven alone", async () => {
  const passkey = softwarePasskey({ algorithm: "Ed25519", isSynced: false })
  const user = await at.person("bob")
  await enrol(at, user, passkey)
  const session = await at.session(user)
  const amounts = [1, 2, 3]
  const helds: string[] = []
  for (const amount of amounts) helds.push(heldOf(await at.raise(session, { ...aRaise, amount })).id)
  await sign(at, helds, user, passkey)
  for (const [nth, id] of helds.entries()) {
    const { action, used } = await verify(await evidenceOf(at, id))
    assert.deepEqual([(action.arguments as { amount: number }).amount, used], [amounts[nth], null])
  }
})

test("a passkey that is revoked after it signed, and before that is taken, approves nothing", async () => {
  const passkey = softwarePasskey()
  const user = await at.person("carol")
  await enrol(at, user, passkey)
  const held = heldOf(await at.raise(await at.session(user)))
  const { approvals, audit } = at.rooms
  await assert.rejects(
    sign(at, [held.id], user, passkey, () => audit.commit(approvals.passkeys.lose(user.id))),
    refusedWith("passkey-unknown"),
  )
  assert.equal((await approvals.find(held.id))!.state, "requested")
})

test("what was signed before somebody took more time, and is taken after it, approves nothing: nobody could prove it", async () => {
  const passkey = softwarePasskey()
  const user = await at.person("frida")
  await enrol(at, user, passkey)
  const held = heldOf(await at.raise(await at.session(user)))
  const person = { id: user.id, provider: user.provider, sub: user.sub }
  await assert.rejects(
    sign(at, [held.id], user, passkey, () => moreTime(at.rooms, person, [held.id])),
    refusedWith("proof-insufficient"),
  )
  assert.equal((await at.rooms.approvals.find(held.id))!.state, "requested")
  await sign(at, [held.id], user, passkey)
  assert.equal((await verify(await evidenceOf(at, held.id))).agreed.length, 1)
})

test("what nobody approved has no evidence, and what is not there is not found", async () => {
  const held = heldOf(await at.raise(await at.session(await at.person("dave"))))
  await assert.rejects(evidenceOf(at, held.id), refusedWith("approval-over"))
  await assert.rejects(evidenceOf(at, "approval_none"), refusedWith("approval-unknown"))
})

test("a key that waits is confirmed by whoever may, and says so", async () => {
  const user = await at.person("erin")
  await enrol(at, user, softwarePasskey())
  await at.rooms.audit.commit(at.rooms.approvals.passkeys.lose(user.id))
  await enrol(at, user, softwarePasskey())
  const [waiting, confirming] = ["waiting", "confirmation"].map((end) => {
    const route = evidenceRoutes(at.rooms).find(({ path }) => path.endsWith(end))!
    assert.equal(route.right, "confirm-passkeys")
    return (params: object) =>
      route.handle({ caller: at.gate.operator, params, query: {}, headers: new Headers() } as never)
  })
  const { passkeys } = (await waiting!({})) as { passkeys: { id: string; user: string }[] }
  const own = passkeys.find((each) => each.user === user.id)!
  await confirming!({ id: own.id })
  assert.equal((await at.rooms.approvals.passkeys.list(user.id)).at(-1)!.isCounting, true)
  const entry = (await at.gate.entries("approvals.passkey-confirmed")).at(-1)!
  assert.equal(entry.by, at.gate.operator.spiffeId)
})
