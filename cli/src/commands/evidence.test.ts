import assert from "node:assert/strict"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { aRaise, heldOf, openTestApproving } from "../../../server/src/gate/approve/approve.fixture.ts"
import { enrol, evidenceOf, sign } from "../../../server/src/gate/approve/evidence.fixture.ts"
import { softwarePasskey } from "../../../server/src/testing/authenticator.ts"
import { workplace } from "../testing/run.ts"

let bundle: string
let vkey: string
let approval: string
const passkey = softwarePasskey()
const place = workplace()
const file = "bundle.json"

before(async () => {
  await using at = await openTestApproving()
  await enrol(at, at.alice, passkey)
  const session = await at.session()
  approval = heldOf(await at.raise(session)).id
  await sign(at, [approval], at.alice, passkey)
  await at.raise(session, aRaise, { approval, key: "k" })
  bundle = await evidenceOf(at, approval)
  vkey = at.rooms.audit.vkey
  await writeFile(join(place.folder, file), bundle)
})
after(() => place[Symbol.dispose]())

// The server, and its database, are gone: what is left is a file and a public key.
const verify = (...more: string[]) => place.run(["approvals", "verify", file, "--log-key", vkey, ...more])

test("evidence verifies offline, and says who approved and what they saw", async () => {
  const { code, stdout, stderr } = await verify()
  assert.equal(code, 0, stderr)
  assert.match(stdout, /alice at https:\/\/id\.example\) approved at .* signed with the passkey/)
  assert.match(stdout, /What they saw \(en\):\n {2}\| Raise E-7 to 5200/)
  assert.match(stdout, /^agent +bot \(spiffe:\/\/example\.org\/agent\/bot\)/m)
  assert.match(stderr, new RegExp(`Verified: ${file} proves that ${approval} was approved`))
})

test("as JSON it is one record", async () => {
  const { code, rows } = await verify("--json")
  assert.equal(code, 0)
  assert.equal(rows.length, 1)
  const [{ agreed, action }] = rows as [{ agreed: { credentialId: string }[]; action: { arguments: object } }]
  assert.equal(agreed[0]!.credentialId, passkey.id)
  assert.deepEqual(action.arguments, aRaise)
})

test("a flipped bit is exit status 8, and so is another log's key; a key is asked for where there is none", async () => {
  const bytes = Buffer.from(bundle)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(join(place.folder, "changed.json"), bytes)
  const changed = await place.run(["approvals", "verify", "changed.json", "--log-key", vkey, "--json"])
  assert.deepEqual([changed.code, changed.stdout], [8, ""])
  const other = vkey.replace("example.org/log/1", "example.org/log/2")
  assert.equal((await place.run(["approvals", "verify", file, "--log-key", other])).code, 8)
  assert.equal((await place.run(["approvals", "verify", file])).code, 2)
  assert.equal((await place.run(["approvals", "verify", "none.json", "--log-key", vkey])).code, 3)
})
