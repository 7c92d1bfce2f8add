import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Audit, migrations as auditMigrations, createLogKey, type Leaf, openAudit, openFileSigner } from "#audit"
import { type Database, type Epoch, nameDeployment, newId, Refusal, silentLog, systemClock, watchEpoch } from "#kernel"
import { type TestDatabase, testDatabase, testKeyring } from "#testing"
import { type LabClient, type LabDatabase, labDatabase } from "./engines/postgres/fixture.ts"
import type { PostgresPart } from "./engines/postgres/part.ts"
import {
  type Credentials,
  type CredentialsParts,
  type Engine,
  type EngineKind,
  engines,
  events,
  type Intended,
  type Intention,
  type Issued,
  migrations,
  openCredentials,
} from "./index.ts"

/** One server of a test: its own log writer, epoch and memory over the shared database. */
export type TestServer = AsyncDisposable & {
  credentials: Credentials
  audit: Audit
  epoch: Epoch
  /** Records an intent. */
  intend(intention?: Partial<Intention> & { operation?: string }): Promise<{ lease: Intended; entry: string }>
  /** Records and issues. */
  lease(intention?: Partial<Intention>): Promise<Issued>
}

/** A deployment with one prepared resource `kb` on PostgreSQL of the version. */
export interface TestDeployment extends AsyncDisposable {
  store: TestDatabase
  lab: LabDatabase
  deployment: string
  serve(parts?: Partial<CredentialsParts>): Promise<TestServer>
  /** Leaves of the log so far, of that event. */
  entries(event: string): Promise<Leaf[]>
  /** A connection with what was issued; closed with the deployment. */
  connect(issued: Issued, database?: string): Promise<LabClient>
}

/** PostgreSQL 18, one-iteration verifiers and a root unless told otherwise. */
export type DeploymentOptions = { version?: 15 | 18; limits?: Partial<PostgresPart["limits"]>; isConfigured?: boolean }

/** Who operators' changes of tests are by. */
export const by = "spiffe://example.org/operator/admin"

/** Makes the deployment, with the resource in force and configured unless told. */
export async function testDeployment(options: DeploymentOptions = {}): Promise<TestDeployment> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const lab = await labDatabase(options.version ?? 18, { scramIterations: 1, leasesPerSession: 100, ...options.limits })
  const { id } = await nameDeployment(store.database, "example.org")
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-credentials-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const keyPath = join(folder, "log.key")
  const origin = "example.org/log/1"
  await createLogKey(keyPath, origin)
  const keyring = testKeyring()
  const owned = stack.move()

  const serve = async (parts: Partial<CredentialsParts> = {}): Promise<TestServer> => {
    await using opening = new AsyncDisposableStack()
    const common = { database: store.database as Database, clock: systemClock, log: silentLog, keyring, ...parts }
    const signer = await openFileSigner(keyPath, origin)
    const audit = opening.use(await openAudit({ ...common, signer, origin, events, sweepMs: 60_000 }))
    const epoch = opening.use(await watchEpoch(common))
    const credentials = opening.use(await openCredentials({ ...common, audit, epoch, engines, ...parts }))
    const server = opening.move()
    owned.use(server)
    const intend: TestServer["intend"] = async (intention = {}) => {
      const { result, entries } = await audit.commit(credentials.intend(intentionOf(intention)))
      return { lease: result, entry: entries[0]?.id ?? "" }
    }
    return {
      credentials,
      audit,
      epoch,
      intend,
      async lease(intention = {}) {
        const { lease, entry } = await intend(intention)
        return await credentials.issue(lease, { id: entry as `entry_${string}` })
      },
      [Symbol.asyncDispose]: () => server.disposeAsync(),
    }
  }

  if (options.isConfigured !== false) {
    const first = await serve()
    await first.audit.commit(first.credentials.replace({ kb: lab.part }, by))
    await first.epoch.refresh()
    await first.credentials.configure("kb", lab.root, by)
    await first[Symbol.asyncDispose]()
  }
  return {
    store,
    lab,
    deployment: id,
    serve,
    async entries(event) {
      const rows = await store.owner.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where event = $1 order by index",
        [event],
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
    },
    connect: async (issued, database) => owned.use(await lab.lease(issued.credential.reveal(), database)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** An intention of the agent `support-bot`, in a session of its own unless told. */
export function intentionOf({
  operation = "read",
  ...given
}: Partial<Intention> & { operation?: string } = {}): Intention {
  return {
    session: newId("session"),
    purpose: "answer-questions",
    caller: {
      spiffeId: "spiffe://example.org/agent/support-bot",
      name: "support-bot",
      instance: "instance_1",
      serial: "0a",
    },
    action: { id: newId("action"), digest: "digest", type: "credential", resource: "kb", operation },
    idempotencyKey: null,
    leaseSeconds: 60,
    hardEndAt: new Date(Date.now() + 3_600_000),
    ...given,
  }
}

/** Our database with a plug: pulled, every statement fails as if it could not be reached. */
export function plugged(database: Database): Database & { isPulled: boolean } {
  const refuse = () => {
    if (outside.isPulled) throw new Refusal("store-unavailable", "The plug is pulled.")
  }
  const outside: Database & { isPulled: boolean } = {
    isPulled: false,
    async query(text, values) {
      refuse()
      return await database.query(text, values)
    },
    async transaction(work) {
      refuse()
      return await database.transaction((tx) =>
        work({
          query: (text, values) => {
            refuse()
            return tx.query(text, values)
          },
        }),
      )
    },
    listen: (channel, onNotice) => database.listen(channel, onNotice),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return outside
}

/** The engines with some methods of each replaced; the replacement gets the real engine. */
export function faulty(change: (engine: Engine) => Partial<Engine>): readonly EngineKind[] {
  return engines.map((kind) => ({
    ...kind,
    open(resource, root, log) {
      const engine = kind.open(resource, root, log)
      return { ...engine, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](), ...change(engine) }
    },
  }))
}

/** Resolves when the condition holds; looks often, and the test's own time limit ends it. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}
