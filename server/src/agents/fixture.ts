import { type KeyObject, X509Certificate } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Audit, migrations as auditMigrations, createLogKey, type Leaf, openAudit, openFileSigner } from "#audit"
import { type Epoch, generateKey, type Keyring, silentLog, systemClock, watchEpoch } from "#kernel"
import { type TestDatabase, testDatabase, testKeyring } from "#testing"
import {
  type Agents,
  type AgentsPart,
  type AgentsParts,
  type Enrolment,
  events,
  migrations,
  newSigningRequest,
  openAgents,
} from "./index.ts"

/** One server of a test: its own log writer, epoch and memory over the shared database. */
export type TestServer = { agents: Agents; audit: Audit; epoch: Epoch }

/** A database, a log, and servers at them. */
export interface TestDeployment extends AsyncDisposable {
  store: TestDatabase
  keyring: Keyring
  /** Opens one more server. */
  serve(parts?: Partial<AgentsParts>): Promise<TestServer>
  /** Leaves of the log so far, of that event. */
  entries(event: string): Promise<Leaf[]>
}

/** Who the changes of tests are by. */
export const by = "spiffe://example.org/operator/admin"
/** The least that an agent of a configuration is. */
export const bot = { owner: "platform@example.com", description: "", purposes: [], ceiling: [], redirectUris: [] }

/** An empty deployment with a real log. */
export async function testDeployment(): Promise<TestDeployment> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-agents-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const origin = "example.org/log/1"
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const { database } = store
  const keyring = testKeyring()
  const common = { database, keyring, trustDomain: "example.org", clock: systemClock, log: silentLog }
  const owned = stack.move()
  return {
    store,
    keyring,
    async serve(parts = {}) {
      const signer = await openFileSigner(keyPath, origin)
      const audit = owned.use(await openAudit({ ...common, signer, origin, events }))
      const epoch = owned.use(await watchEpoch(common))
      return { audit, epoch, agents: owned.use(await openAgents({ ...common, audit, epoch, ...parts })) }
    },
    async entries(event) {
      const rows = await database.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where event = $1 order by index",
        [event],
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Puts agents in force and waits until that server knows. */
export async function register({ agents, audit, epoch }: TestServer, part: AgentsPart): Promise<void> {
  await audit.commit(agents.replace(part, by))
  await epoch.refresh()
}

/** Whoever enrolled: what it got, and the key that it proved. */
export type Holder = Enrolment & { privateKey: KeyObject; chain: Buffer[] }

/** Enrols a new key under a new join token. */
export async function enrolAgent({ agents }: TestServer, name: string): Promise<Holder> {
  const { token } = await agents.createJoinToken({ kind: "agent", name }, by)
  return await enrolWith(agents, token.reveal())
}

/** Enrols a new key under that token. */
export async function enrolWith(agents: Agents, token: string): Promise<Holder> {
  const { privateKey } = generateKey()
  const enrolment = await agents.enrol({ token, csr: newSigningRequest(privateKey) })
  return { ...enrolment, privateKey, chain: chainOf(enrolment.svid) }
}

/** Certificates of a PEM text, DER. */
export function chainOf(pem: string): Buffer[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block).raw)
}
