import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Audit, migrations as auditMigrations, createLogKey, type Leaf, openAudit, openFileSigner } from "#audit"
import { base64url, type Id, newId, silentLog, systemClock } from "#kernel"
import type { SignedInBrowser, User } from "#sessions"
import { type SoftwarePasskey, softwarePasskey, type TestDatabase, testDatabase, type Wrong } from "#testing"
import { events, migrations } from "../index.ts"
import { parseApprovals } from "../part.ts"
import { type AtBrowser, openPasskeys, type Passkeys } from "./open.ts"
import type { Passkey } from "./passkey.ts"
import { vouchingChallenge } from "./register.ts"

/** Where the tests' server is. */
export const issuer = "https://safeconduct.example"

/** The room's passkeys on a database of their own. */
export type TestPasskeys = AsyncDisposable & {
  store: TestDatabase
  audit: Audit
  passkeys: Passkeys
  /** One more server, of another public URL or configuration. */
  another(more?: { issuer?: string; afterLoss?: number | "operator" }): Passkeys
  /** A browser that this user is signed in with since so many seconds. */
  at(user: User, ageSeconds?: number): AtBrowser
  /** Somebody with a name of their own. */
  person(name?: string): User
  /** Makes a passkey at that browser and lets it in, by an older one where given. */
  enrol(at: AtBrowser, more?: Enrolling): Promise<Passkey>
  /** Lets all challenges and waiting times of the user pass. */
  later(user: Id<"user">): Promise<void>
  entries(event?: string): Promise<Leaf[]>
}

/** Whose passkey, by which older one, and what is done wrong. */
export type Enrolling = {
  passkey?: SoftwarePasskey
  by?: SoftwarePasskey
  wrong?: Wrong
  label?: string
  passkeys?: Passkeys
}

/** Opens them. */
export async function openTestPasskeys(): Promise<TestPasskeys> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-passkeys-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, "example.org/log/1")
  const signer = await openFileSigner(keyPath, "example.org/log/1")
  const common = { database: store.database, clock: systemClock, log: silentLog, sweepMs: 3_600_000, events }
  const audit = stack.use(await openAudit({ ...common, signer, origin: "example.org/log/1" }))
  const another: TestPasskeys["another"] = ({ issuer: at = issuer, afterLoss } = {}) => {
    const part = parseApprovals(afterLoss === undefined ? {} : { passkeys: { afterLoss } })
    return openPasskeys({ database: store.database, audit, issuer: at, part: () => part })
  }
  const passkeys = another()
  const owned = stack.move()
  return {
    store,
    audit,
    passkeys,
    another,
    at: (user, ageSeconds = 10) => {
      const known: SignedInBrowser = { user, providerSession: null, ageSeconds }
      return { known, browser: base64url(randomBytes(32)) }
    },
    person: (name = "alice") => {
      const iss = "https://id.shop.example"
      return { id: newId("user"), provider: "shop", iss, sub: `${name}-${randomBytes(4).toString("hex")}`, claims: {} }
    },
    async enrol(at, { passkey = softwarePasskey(), by, wrong, label = "My phone", passkeys: server = passkeys } = {}) {
      const { origin } = new URL(issuer)
      const options = await server.registrationOptions({ ...at, name: "alice" })
      const answer = passkey.create(options, origin, wrong)
      const over = { challenge: base64url(vouchingChallenge(answer)), rpId: options.rp.id }
      const vouching = by === undefined ? null : by.get(over, origin)
      const { result } = await audit.commit(await server.enrol({ ...at, answer, label, vouching }))
      return result
    },
    async later(user) {
      await store.owner.query("update approvals.enrolments set expires_at = clock_timestamp() where user_id = $1", [
        user,
      ])
      await store.owner.query(
        "update approvals.passkeys set counts_from = clock_timestamp() where user_id = $1 and counts_from < 'infinity'",
        [user],
      )
    },
    async entries(event) {
      const rows = await store.owner.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where $1::text is null or event = $1 order by index",
        [event ?? null],
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
