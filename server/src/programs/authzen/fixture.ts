import { Agent, request } from "node:https"
import { fileURLToPath } from "node:url"
import { type JoinRequest, newSigningRequest } from "#agents"
import type { Leaf } from "#audit"
import { generateKey, silentLog } from "#kernel"
import { readDocument } from "../document.ts"
import { caller, type TestDeployment, testDeployment } from "../fixture.ts"
import { type Around, type Running, serve } from "../serve.ts"

/** An answer with its headers; `json` is null for what is no JSON. */
export type Reply = {
  status: number
  headers: Record<string, string | string[] | undefined>
  json: never
  text: string
}

/** What a request is made of; `body` is sent as JSON unless it is a text. */
export type Sent = { body?: unknown; headers?: Record<string, string>; method?: string }

/** A policy decision point with the certification fixture in force, put there as anybody would. */
export interface TestPdp extends AsyncDisposable {
  deployment: TestDeployment
  server: Running
  /** As an enforcement point: an operator who may ask and read, nothing else. */
  post(path: string, sent?: Sent): Promise<Reply>
  /** Applies the fixture with a part of it replaced. */
  apply(part: object): Promise<void>
  /** Over connections of somebody else's; null shows no certificate. */
  as(asked: JoinRequest | null, path: string, sent?: Sent): Promise<Reply>
  /** Leaves of what was asked, in order. */
  asked(): Promise<Leaf[]>
}

/** The fixture's safeconduct.yaml. */
export const FIXTURE = fileURLToPath(new URL("./testdata/safeconduct.yaml", import.meta.url))

/** Starts it. The listener is the one that enforcement points use: TLS 1.3 with client certificates. */
export async function openTestPdp(around: Around = {}): Promise<TestPdp> {
  await using stack = new AsyncDisposableStack()
  const deployment = stack.use(await testDeployment())
  const server = stack.use(await serve({ configuration: deployment.configuration(), log: silentLog, around }))
  const admin = stack.use(await caller(server, { kind: "operator", name: "root", roles: ["admin"] }))
  const put = async (document: object) => {
    const { status, text } = await admin.call("PUT", "/v1/policy", { body: JSON.stringify({ document }) })
    if (status !== 200) throw new Error(text)
  }
  await put(readDocument(FIXTURE))
  const connect = async (asked: JoinRequest | null) => {
    const identity = asked === null ? {} : await enrol(server, asked)
    return new Agent({ keepAlive: true, ca: server.rooms.agents.roots(), ...identity })
  }
  const gateway = await connect({ kind: "operator", name: "gateway", roles: ["auditor"] })
  stack.defer(() => gateway.destroy())
  const owned = stack.move()
  return {
    deployment,
    server,
    post: (path, sent) => send(new URL(path, server.agentsUrl), gateway, sent),
    async as(asked, path, sent) {
      const agent = await connect(asked)
      try {
        return await send(new URL(path, server.agentsUrl), agent, sent)
      } finally {
        agent.destroy()
      }
    },
    apply: (part) => put({ ...readDocument(FIXTURE), ...part }),
    async asked() {
      const rows = await deployment.store.owner.query<{ leaf: Buffer }>(
        "select leaf from audit.entries where event = 'policy.asked' order by index",
      )
      return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** One request, to its end. */
export function send(url: URL, agent: Agent, { body, headers = {}, method = "POST" }: Sent = {}): Promise<Reply> {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body)
  const type =
    body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text!) }
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers: { ...type, ...headers } })
    sent.once("error", reject)
    sent.once("response", async (response) => {
      let received = ""
      for await (const part of response) received += part
      const isJson = /json/.test(response.headers["content-type"] ?? "") && received !== ""
      const json = (isJson ? JSON.parse(received) : null) as never
      resolve({ status: response.statusCode!, headers: response.headers, json, text: received })
    })
    sent.end(text)
  })
}

async function enrol({ rooms: { agents } }: Running, asked: JoinRequest): Promise<{ cert: string; key: string }> {
  const { token } = await agents.createJoinToken(asked, "server")
  const { privateKey } = generateKey()
  const { svid } = await agents.enrol({ token: token.reveal(), csr: newSigningRequest(privateKey) })
  return { cert: svid, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string }
}
