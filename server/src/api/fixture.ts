import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { request } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type TLSSocket } from "node:tls"
import { type Agents, events, type JoinRequest, migrations, newSigningRequest, openAgents } from "#agents"
import { type Audit, migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { type Clock, type Epoch, generateKey, silentLog, watchEpoch } from "#kernel"
import { testDatabase, testKeyring } from "#testing"

/** Who enrolled: its SVID with the intermediate, and its key; PEM. */
export type Holder = { cert: string; key: string; csr: string }

/** Agents for real, to identify who connects. */
export interface TestAgents extends AsyncDisposable {
  agents: Agents
  audit: Audit
  /** The agents' time: now, and `aheadMs` more. */
  clock: Clock & { aheadMs: number }
  epoch: Epoch
  enrol(request: JoinRequest): Promise<Holder>
}

/** Opens the room with one agent `bot`. */
export async function openTestAgents(): Promise<TestAgents> {
  await using stack = new AsyncDisposableStack()
  const { database } = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-api-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const origin = "example.org/log/1"
  await createLogKey(join(folder, "log.key"), origin)
  const signer = await openFileSigner(join(folder, "log.key"), origin)
  const clock = { aheadMs: 0, nowMs: () => Date.now() + clock.aheadMs }
  const common = { database, keyring: testKeyring(), clock, log: silentLog, trustDomain: "example.org" }
  const audit = stack.use(await openAudit({ ...common, signer, origin, events }))
  const epoch = stack.use(await watchEpoch(common))
  const agents = stack.use(await openAgents({ ...common, audit, epoch }))
  const bot = { owner: "owner@example.org", description: "", purposes: [], ceiling: [], redirectUris: [] }
  await audit.commit(agents.replace({ bot }, "server"))
  await epoch.refresh()
  const owned = stack.move()
  return {
    agents,
    audit,
    clock,
    epoch,
    async enrol(asked) {
      const { token } = await agents.createJoinToken(asked, "server")
      const { privateKey } = generateKey()
      const csr = newSigningRequest(privateKey)
      const { svid } = await agents.enrol({ token: token.reveal(), csr })
      return { cert: svid, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string, csr }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A connection to a listener of ours, kept until it is destroyed; each request waits for its answer. */
export async function dial(port: number, ca: string[], options: object = {}): Promise<Connection> {
  const socket = connect({ host: "127.0.0.1", port, ca, servername: "localhost", ...options })
  await once(socket, "secureConnect")
  return {
    socket,
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { "content-type": "application/json" }
        const sent = request({
          createConnection: () => socket,
          method,
          path,
          headers: { host: "localhost", connection: "keep-alive", ...headers },
        })
        sent.once("error", reject)
        sent.once("response", async (response) => {
          let text = ""
          for await (const part of response) text += part
          resolve({ status: response.statusCode!, json: text === "" ? null : JSON.parse(text) })
        })
        sent.end(body === undefined ? undefined : JSON.stringify(body))
      }),
  }
}

/** One connection, and what is asked over it. */
export type Connection = {
  socket: TLSSocket
  ask(method: string, path: string, body?: object): Promise<{ status: number; json: Record<string, unknown> | null }>
}
