import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { test } from "node:test"
import { generateKey, type Json, listKeys, openKeyring, refusalCode, systemClock } from "#kernel"
import { readCertificate } from "./certificate.ts"
import { chainOf, testDeployment } from "./fixture.ts"
import { validateSvid } from "./index.ts"
import { selfSign } from "./issue.ts"

const DAY = 86_400_000

test("two servers that start at once on an empty database have one authority", async () => {
  await using deployment = await testDeployment()
  const servers = await Promise.all([deployment.serve(), deployment.serve(), deployment.serve()])
  const roots = servers.map(({ agents }) => agents.roots())
  assert.equal(roots[0]!.length, 1)
  assert.deepEqual(roots[1], roots[0])
  assert.deepEqual(roots[2], roots[0])
  const uses = (await listKeys(deployment.store.database)).map(({ use }) => use)
  assert.deepEqual(uses.sort(), ["ca-intermediate", "ca-root"])
  const made = await deployment.entries("agents.authority-created")
  assert.deepEqual(made.map(({ data }) => data?.["use"]).sort(), ["intermediate", "root"])
})

test("the authority outlives its servers, and its keys rest sealed", async () => {
  await using deployment = await testDeployment()
  const first = await deployment.serve()
  const second = await deployment.serve()
  assert.deepEqual(second.agents.roots(), first.agents.roots())
  const rows = await deployment.store.owner.query<{ sealed: string }>("select sealed from kernel.keys")
  assert.equal(rows.length, 2)
  for (const { sealed } of rows) assert.match(sealed, /^sc1\./)
  const wrong = openKeyring(Buffer.alloc(32, 7))
  await assert.rejects(deployment.serve({ keyring: wrong }), { code: "key-unusable" })
})

test("another trust domain does not open the deployment", async () => {
  await using deployment = await testDeployment()
  await deployment.serve()
  await assert.rejects(deployment.serve({ trustDomain: "other.org" }), (error) => refusalCode(error) !== null)
  await assert.rejects(deployment.serve({ trustDomain: "Example.org" }), { code: "svid-invalid" })
})

test("a server's SVID is for its names, by a path that clients of the bundle accept, and its key is new each time", async () => {
  await using deployment = await testDeployment()
  const { agents } = await deployment.serve()
  const names = { dns: ["localhost"], ips: ["127.0.0.1"] }
  const [first, second] = [await agents.serverIdentity(names), await agents.serverIdentity(names)]
  assert.notEqual(first.key, second.key)
  const leaf = new X509Certificate(first.certificates)
  assert.equal(leaf.checkHost("localhost"), "localhost")
  assert.equal(leaf.checkIP("127.0.0.1"), "127.0.0.1")
  const bundles = new Map([["example.org", agents.roots().map((root) => readCertificate(chainOf(root)[0]!))]])
  const svid = validateSvid(chainOf(first.certificates), { bundles, nowMs: Date.now(), use: "server" })
  assert.equal(svid.id.text, "spiffe://example.org/server")
  const issued = await deployment.entries("agents.svid-issued")
  assert.deepEqual(
    issued.map(({ by, data }) => [by, data?.["spiffeId"]]),
    Array(2).fill(["server", "spiffe://example.org/server"]),
  )
  assert.equal(issued[0]!.data?.["serial"], svid.serial)
  await assert.rejects(agents.identify(chainOf(first.certificates)), { code: "identity-unknown" })
})

test("the bundle is a SPIFFE bundle: one certificate per key, no kid, a sequence and a hint", async () => {
  await using deployment = await testDeployment()
  const { agents } = await deployment.serve()
  const bundle = agents.bundle() as {
    keys: { [name: string]: Json }[]
    spiffe_sequence: number
    spiffe_refresh_hint: number
  }
  const [key] = bundle.keys
  assert.equal(bundle.keys.length, 1)
  assert.deepEqual(Object.keys(key!).sort(), ["crv", "kty", "use", "x", "x5c", "y"])
  assert.equal(key!["use"], "x509-svid")
  assert.deepEqual(key!["x5c"], [chainOf(agents.roots()[0]!)[0]!.toString("base64")])
  assert.equal(bundle.spiffe_sequence, 1)
  assert.equal(bundle.spiffe_refresh_hint, 300)
})

test("an intermediate past half its life is followed by another under the same root", async () => {
  await using deployment = await testDeployment()
  const before = await deployment.serve()
  const middle = async ({ agents }: typeof before) =>
    chainOf((await agents.serverIdentity({ dns: [], ips: [] })).certificates)[1]!
  const older = await middle(before)
  const later = { nowMs: () => systemClock.nowMs() + 183 * DAY }
  const after = await deployment.serve({ clock: later })
  assert.deepEqual(after.agents.roots(), before.agents.roots())
  assert.notDeepEqual(await middle(after), older)
  assert.equal((await deployment.entries("agents.authority-created")).length, 3)
})

test("a rotated intermediate signs on every server at once, the old key is destroyed, and what it signed stays good", async () => {
  await using deployment = await testDeployment()
  const [one, two] = [await deployment.serve(), await deployment.serve()]
  const identityOf = async ({ agents }: typeof one) =>
    chainOf((await agents.serverIdentity({ dns: [], ips: [] })).certificates)
  const old = await identityOf(one)
  const { result } = await one.audit.commit(one.agents.rotateIntermediate("spiffe://example.org/operator/alice"))
  await Promise.all([one, two].map(({ epoch }) => epoch.refresh()))
  const [here, there] = [await identityOf(one), await identityOf(two)]
  assert.deepEqual(here[1], there[1])
  assert.notDeepEqual(here[1], old[1])

  const bundles = new Map([["example.org", one.agents.roots().map((root) => readCertificate(chainOf(root)[0]!))]])
  for (const chain of [old, here, there]) validateSvid(chain, { bundles, nowMs: Date.now(), use: "server" })
  const rows = await deployment.store.owner.query<{ kid: string; sealed: string | null; retired: boolean }>(
    "select kid, sealed, retired_at is not null as retired from kernel.keys where use = 'ca-intermediate' order by created_at",
  )
  assert.deepEqual(
    rows.map(({ kid, sealed, retired }) => [kid === result.kid, sealed === null, retired]),
    [
      [false, true, true],
      [true, false, false],
    ],
  )
  const made = await deployment.entries("agents.authority-created")
  assert.equal(made.at(-1)!.by, "spiffe://example.org/operator/alice")
  await deployment.serve()
})

test("a root that somebody wrote into the table without the key-encryption key is not trusted", async () => {
  await using deployment = await testDeployment()
  await deployment.serve()
  const { spki, privateKey } = generateKey()
  const period = { notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + DAY }
  const forged = selfSign(
    { role: "authority", pathLength: 1, commonName: "root", uri: "spiffe://example.org", spki, ...period },
    privateKey,
  )
  await deployment.store.owner.query("update kernel.keys set public = $1 where use = 'ca-root'", [forged.node.raw])
  await assert.rejects(deployment.serve(), { code: "key-unusable" })
})
