import { chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import pg from "pg"
import { events, migrations, openAgents, type ServerIdentity, type ServerNames } from "#agents"
import { migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { type Clock, silentLog, systemClock, watchEpoch } from "#kernel"
import { testDatabase, testKeyring, testPostgres } from "#testing"

/** Whom the certificates of tests' resources are from: an authority of the agents room, with a chain of three. */
export interface TestAuthority extends AsyncDisposable {
  /** The root, PEM. */
  ca: string
  issue(names: Partial<ServerNames>): Promise<ServerIdentity>
  /** The same, over since an hour. */
  issueExpired(names: Partial<ServerNames>): Promise<ServerIdentity>
}

/** Makes an authority that nobody else knows. */
export async function testAuthority(): Promise<TestAuthority> {
  await using stack = new AsyncDisposableStack()
  const { database } = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-authority-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const [keyPath, origin] = [join(folder, "log.key"), "example.org/log/1"]
  await createLogKey(keyPath, origin)
  const common = { database, log: silentLog, trustDomain: "example.org", keyring: testKeyring(), clock: systemClock }
  const signer = await openFileSigner(keyPath, origin)
  const audit = stack.use(await openAudit({ ...common, signer, origin, events }))
  const epoch = stack.use(await watchEpoch(common))
  const open = async (clock: Clock) => stack.use(await openAgents({ ...common, audit, epoch, clock }))
  // A certificate lives an hour. First, so that the root is not younger than what it signs.
  const past = await open({ nowMs: () => Date.now() - 7_200_000 })
  const now = await open(systemClock)
  const named = ({ dns = [], ips = [] }: Partial<ServerNames>) => ({ dns, ips })
  const owned = stack.move()
  return {
    ca: now.roots()[0]!,
    issue: (names) => now.serverIdentity(named(names)),
    issueExpired: (names) => past.serverIdentity(named(names)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Only the DBA comes in without TLS. */
const HBA = "host all postgres 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"

/** Makes this process's PostgreSQL of that version show the certificate, and refuse everybody but the DBA without TLS. */
export async function showCertificate(version: 15 | 18, { key, certificates }: ServerIdentity): Promise<void> {
  const { superuserUrl } = await testPostgres(version)
  const dba = new pg.Client({ connectionString: superuserUrl })
  await dba.connect()
  const read = async (text: string) => Object.values((await dba.query(text)).rows[0]).join()
  const data = await read("show data_directory")
  const { uid, gid } = await stat(data)
  for (const [name, text] of Object.entries({ "server.key": key, "server.crt": certificates, "pg_hba.conf": HBA })) {
    await writeFile(join(data, name), text, { mode: 0o600 })
    await chown(join(data, name), uid, gid)
  }
  await dba.query("alter system set ssl = on")
  const loaded = () => read("select pg_conf_load_time()::text")
  const before = await loaded()
  await dba.query("select pg_reload_conf()")
  // The postmaster tells its backends, and accepts nobody before it is done itself.
  while ((await loaded()) === before) await new Promise(setImmediate)
  await dba.end()
}
