import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import type { ServerIdentity } from "#agents"
import { refusalCode, silentLog } from "#kernel"
import { by, testDeployment } from "../../fixture.ts"
import { connect } from "./connect.ts"
import { type LabDatabase, labDatabase } from "./fixture.ts"
import type { PostgresPart } from "./part.ts"
import { showCertificate, type TestAuthority, testAuthority } from "./tls.fixture.ts"

const loopback = { dns: ["localhost"], ips: ["127.0.0.1"] }
const untrusted = /self-signed certificate in certificate chain|unable to (verify|get)/

let ours: TestAuthority
let theirs: TestAuthority
before(async () => {
  ours = await testAuthority()
  theirs = await testAuthority()
})
after(async () => {
  await ours[Symbol.asyncDispose]()
  await theirs[Symbol.asyncDispose]()
})

/** Where to, and how. */
type Way = Partial<Pick<PostgresPart, "host" | "tls">> & { ca?: string }

/** Looks with our account whether the connection is encrypted, or throws what came instead. */
async function isEncrypted(lab: LabDatabase, how: Way): Promise<boolean> {
  await using connections = connect({ ...lab.part, ...how } as PostgresPart, lab.root, silentLog)
  const [row] = await connections.give.run<{ ssl: boolean }>(
    "look",
    "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
  )
  return row!.ssl
}

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: a lease lives its whole life over verified TLS, ours and the agent's`, async () => {
    await showCertificate(version, await ours.issue(loopback))
    await using at = await testDeployment({ version, isConfigured: false })
    const server = await at.serve()
    const part = { ...at.lab.part, tls: "verify-full", ca: ours.ca }
    await server.audit.commit(server.credentials.replace({ kb: part }, by))
    await server.epoch.refresh()
    await server.credentials.configure("kb", at.lab.root, by)
    const issued = await server.lease()
    const agent = await at.connect(issued)
    assert.equal((await agent.query("select * from faq")).rowCount, 100)

    await using dba = await at.lab.dba()
    const { rows } = await dba.query(
      `select usename = $1 as is_ours, bool_and(ssl) as ssl, count(*)::int as count from pg_stat_ssl
         join pg_stat_activity using (pid) where usename in ($1, $2) group by 1 order by 1`,
      [at.lab.root.username, issued.lease.roleName],
    )
    assert.deepEqual([rows[0], rows[1].is_ours, rows[1].ssl], [{ is_ours: false, ssl: true, count: 1 }, true, true])
    const plain = { ...issued.credential.reveal(), tls: "disable" }
    await assert.rejects(at.lab.lease(plain), { code: "28000", message: /no encryption/ })

    await server.credentials.renew(issued.lease.id, new Date(Date.now() + 120_000))
    await server.credentials.revoke(issued.lease.id, "released")
    await agent.ended
    assert.equal((await server.credentials.settled(issued.lease.id)).state, "revoked")
  })
}

/** Each way in which a certificate is not the resource's; `require` takes them all. */
const wrong: [title: string, shown: () => Promise<ServerIdentity>, how: () => Way, says: RegExp][] = [
  ["of another authority", () => theirs.issue(loopback), () => ({ ca: ours.ca }), untrusted],
  ["of an authority that only we trust", () => ours.issue(loopback), () => ({}), untrusted],
  ["for another address", () => ours.issue({ ips: ["127.0.0.2"] }), () => ({ ca: ours.ca }), /does not match/],
  [
    "for another name",
    () => ours.issue({ dns: ["other.example"], ips: ["127.0.0.1"] }),
    () => ({ ca: ours.ca, host: "localhost" }),
    /does not match/,
  ],
  ["that names nobody", () => ours.issue({}), () => ({ ca: ours.ca }), /does not match/],
  ["that is over", () => ours.issueExpired(loopback), () => ({ ca: ours.ca }), /certificate has expired/],
]
for (const [title, shown, how, says] of wrong) {
  test(`verify-full refuses a certificate ${title}, and require is encrypted all the same`, async () => {
    const lab = await labDatabase(18)
    await showCertificate(18, await shown())
    await assert.rejects(isEncrypted(lab, { ...how(), tls: "verify-full" }), { message: says, isUnreachable: true })
    assert.equal(await isEncrypted(lab, { ...how(), tls: "require" }), true)
  })
}

test("verify-full finds the certificate's name and address, and plain text is refused by the server", async () => {
  const lab = await labDatabase(18)
  await showCertificate(18, await ours.issue(loopback))
  for (const host of ["127.0.0.1", "localhost"]) {
    assert.equal(await isEncrypted(lab, { host, tls: "verify-full", ca: ours.ca }), true)
  }
  await assert.rejects(isEncrypted(lab, { tls: "disable" }), { code: "28000" })
})

test("an operator who hands over an account is told what is wrong with the certificate", async () => {
  await showCertificate(18, await theirs.issue(loopback))
  await using at = await testDeployment({ isConfigured: false })
  const server = await at.serve()
  const part = { ...at.lab.part, tls: "verify-full", ca: ours.ca }
  await server.audit.commit(server.credentials.replace({ kb: part }, by))
  await server.epoch.refresh()
  await assert.rejects(server.credentials.configure("kb", at.lab.root, by), (error: Error) => {
    assert.match(error.message, untrusted)
    return refusalCode(error) === "resource-unavailable"
  })
  assert.deepEqual(await at.entries("credentials.root-rotating"), [])
})

test("an authority is replaced while leases are open: the root stays, and they are taken away over the new one", async () => {
  await showCertificate(18, await ours.issue(loopback))
  await using at = await testDeployment({ isConfigured: false })
  const server = await at.serve()
  const force = async (ca: string) => {
    const part = { ...at.lab.part, tls: "verify-full", ca }
    await server.audit.commit(server.credentials.replace({ kb: part }, by))
    await server.epoch.refresh()
  }
  await force(ours.ca)
  await server.credentials.configure("kb", at.lab.root, by)
  const { lease } = await server.lease()

  await force(`${ours.ca}${theirs.ca}`)
  await showCertificate(18, await theirs.issue(loopback))
  await force(theirs.ca)
  await server.credentials.revoke(lease.id, "released")
  assert.equal((await server.credentials.settled(lease.id)).state, "revoked")
  const next = await server.lease()
  assert.equal((await (await at.connect(next)).query("select 1 from faq")).rowCount, 100)
})
