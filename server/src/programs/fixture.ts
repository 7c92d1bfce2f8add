import { mkdtempSync, rmSync } from "node:fs"
import { Agent, request } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type JoinRequest, newSigningRequest } from "#agents"
import { generateKey, type Log, silentLog } from "#kernel"
import { emptyDatabase, type TestDatabase } from "#testing"
import { type Configuration, readConfiguration, type SettingName } from "./configuration.ts"
import { newKeyEncryptionKey, readOrCreate } from "./files.ts"
import { createLogKeyOnce } from "./log-key.ts"
import { migrateAll } from "./migrate.ts"
import { type Running, serve } from "./serve.ts"

/** A migrated database with the keys of its deployment, to run servers on. */
export interface TestDeployment extends AsyncDisposable {
  store: TestDatabase
  folder: string
  configuration(flags?: Partial<Record<SettingName, string>>): Configuration
  /** Starts a server; it is stopped with the deployment. */
  serve(flags?: Partial<Record<SettingName, string>>, log?: Log): Promise<Running>
}

/** Ports that the system chooses. */
export const anyPorts = { agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" }

/** Makes a deployment; `isMigrated` unless told. */
export async function testDeployment({ isMigrated = true } = {}): Promise<TestDeployment> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await emptyDatabase())
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-programs-"))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const configuration: TestDeployment["configuration"] = (flags = {}) =>
    readConfiguration({ folder, databaseUrl: store.serverUrl, ownerUrl: store.ownerUrl, ...anyPorts, ...flags }, {})
  const { keyEncryptionKeyFile } = configuration()
  readOrCreate(keyEncryptionKeyFile, newKeyEncryptionKey)
  await createLogKeyOnce(configuration())
  if (isMigrated) await migrateAll(configuration())
  const owned = stack.move()
  return {
    store,
    folder,
    configuration,
    serve: async (flags, log = silentLog) => owned.use(await serve({ configuration: configuration(flags), log })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What came back. */
export type Answer = { status: number; text: string; json: Record<string, unknown> | null }

/** Whoever calls, over connections of its own. */
export interface Caller extends Disposable {
  call(
    method: string,
    path: string,
    more?: { body?: string | Buffer; headers?: Record<string, string> },
  ): Promise<Answer>
}

/** A caller with the SVID that it enrols for now; null for one without. */
export async function caller({ rooms, agentsUrl }: Running, asked: JoinRequest | null): Promise<Caller> {
  const identity = asked === null ? {} : await enrol(rooms, asked)
  const agent = new Agent({ keepAlive: true, ca: rooms.agents.roots(), ...identity })
  return {
    call: (method, path, { body, headers = {} } = {}) =>
      new Promise((resolve, reject) => {
        // Node sends the body of a DELETE without its length, as if there were none.
        const length = { "content-type": "application/json", "content-length": Buffer.byteLength(body ?? "") }
        const type = body === undefined ? {} : length
        const sent = request(new URL(agentsUrl), { agent, method, path, headers: { ...type, ...headers } })
        sent.once("error", reject)
        sent.once("response", async (response) => {
          let text = ""
          for await (const part of response) text += part
          const isJson = /json/.test(response.headers["content-type"] ?? "") && text !== ""
          resolve({ status: response.statusCode!, text, json: isJson ? JSON.parse(text) : null })
        })
        sent.end(body)
      }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}

async function enrol({ agents }: Running["rooms"], asked: JoinRequest): Promise<{ cert: string; key: string }> {
  const { token } = await agents.createJoinToken(asked, "server")
  const { privateKey } = generateKey()
  const { svid } = await agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
  return { cert: svid, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string }
}

/** A configuration with one agent and no resource. */
export const document = {
  purposes: {
    answer: {
      description: "Answer",
      actions: [{ type: "safeconduct_action", actions: ["tool:ask"], locations: ["kb"] }],
    },
  },
  resources: {
    kb: {
      engine: "postgres",
      host: "127.0.0.1",
      database: "kb",
      tls: "disable",
      operations: { read: { groupRole: "r" } },
    },
  },
  agents: {
    bot: {
      owner: "owner@example.org",
      purposes: ["answer"],
      ceiling: [{ type: "safeconduct_action", actions: ["tool:ask"], locations: ["kb"] }],
    },
  },
  policies: [{ file: "bot.cedar", text: '@id("bot") permit (principal == agents::Agent::"bot", action, resource);' }],
}
