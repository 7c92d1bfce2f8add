/**
 * Two servers on one PostgreSQL behind HAProxy, as docs/how-to/run-on-your-postgresql.md says, with the configurations of
 * deploy/haproxy unchanged. Two agents work through the balancer while a server is killed, comes back, and another one leaves: one
 * over mutual TLS that ends at our servers, one by DPoP over the web side, where HAProxy ends TLS on each host.
 * One line per step; the exit status says whether all passed.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { fileURLToPath } from "node:url"
import { connect, enrol, openTransport, peerOf, type Safeconduct, type Session } from "@safeconduct/sdk"
import { removePostgres } from "@safeconduct/server/programs"
import { prepareOwnDatabase } from "../../server/src/kernel/index.ts"
import { documentFor } from "../../stories/fixtures/document.ts"
import { prepareResource, startCluster } from "../../stories/fixtures/resource.ts"

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
/** Of the issuer: a name that leads here on every machine. */
const NAME = "localhost"
const [ONE, TWO, BALANCER] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"] as const
const PORTS = { agents: 17_443, web: 17_444, loopbackWeb: 17_420, loopbackOps: 17_421, own: 17_000 }

let failures = 0
await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-balancer-"))
chmodSync(folder, 0o711)
stack.defer(async () => {
  await Promise.all(["own", "kb"].map((name) => removePostgres(join(folder, name))))
  rmSync(folder, { recursive: true, force: true })
})
const [own, kb] = await Promise.all([startCluster(join(folder, "own"), 18), startCluster(join(folder, "kb"), 18)])
stack.use(own)
stack.use(kb)
const { ownerUrl, serverUrl } = await prepareOwnDatabase(own)
const resource = await prepareResource(kb, "kb")
stack.defer(() => resource.owner.end())
makeCertificate()

const environment = (host: string, nth: number) => ({
  PATH: process.env["PATH"]!,
  DATABASE_URL: serverUrl,
  SAFECONDUCT_FOLDER: join(folder, "server"),
  SAFECONDUCT_LOG_KEY_FILE: join(folder, `log-${nth}.key`),
  SAFECONDUCT_KEK_FILE: join(folder, "key-encryption.key"),
  SAFECONDUCT_TRUST_DOMAIN: "example.com",
  SAFECONDUCT_ISSUER: `https://${NAME}:${PORTS.web}`,
  SAFECONDUCT_AGENTS_URL: `https://${BALANCER}:${PORTS.agents}`,
  SAFECONDUCT_AGENTS_ADDRESS: `${host}:${PORTS.agents}`,
  SAFECONDUCT_WEB_ADDRESS: `127.0.0.1:${PORTS.loopbackWeb + 10 * nth}`,
  SAFECONDUCT_OPS_ADDRESS: `127.0.0.1:${PORTS.loopbackOps + 10 * nth}`,
})
const cli = (args: string[], env: Record<string, string>) =>
  execFileSync(process.execPath, ["--conditions=source", at("cli/bin/safeconduct.js"), ...args], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  })
cli(["keys", "create"], environment(ONE, 0))
// The same key files on both hosts; what each signed last is its own.
execFileSync("cp", ["-p", join(folder, "log-0.key"), join(folder, "log-1.key")])
cli(["migrate"], { ...environment(ONE, 0), SAFECONDUCT_OWNER_URL: ownerUrl })

const servers = [await serve(ONE, 0), await serve(TWO, 1)]
stack.defer(() => servers.forEach((server) => void server.kill("SIGKILL")))
for (const [nth, host] of [ONE, TWO].entries()) {
  haproxy("host.cfg", {
    WEB_BIND: `${host}:${PORTS.web}`,
    WEB_CERTIFICATE: join(folder, "web.pem"),
    WEB_PORT: String(PORTS.loopbackWeb + 10 * nth),
    OPS_PORT: String(PORTS.loopbackOps + 10 * nth),
  })
}
haproxy("balancer.cfg", {
  AGENTS_BIND: `${BALANCER}:${PORTS.agents}`,
  WEB_BIND: `${BALANCER}:${PORTS.web}`,
  ONE,
  TWO,
  AGENTS_PORT: String(PORTS.agents),
  WEB_PORT: String(PORTS.web),
  WEB_CA: join(folder, "web-ca.pem"),
  WEB_NAME: NAME,
})

// Not ready before a policy is in force, so this goes to a server and not through the balancer.
const token = cli(["operators", "recover"], environment(ONE, 0)).trim().split("\n").at(-1)!
const identity = await enrol({
  url: `https://${ONE}:${PORTS.agents}`,
  joinToken: token,
  folder: join(folder, "operator"),
})
const operator = stack.use(openTransport(peerOf(identity)))
await operator.json({ method: "PUT", path: "/v1/policy", body: { document: documentFor({ kb: kb.port }, {}) } })
await operator.json({
  method: "PUT",
  path: "/v1/credentials/resources/kb/root",
  body: resource.root,
  timeoutMs: 30_000,
})
const joinToken = async () =>
  (await operator.json<{ token: string }>({ method: "POST", path: "/v1/agents/bot/join-tokens" })).token

const url = `https://${BALANCER}:${PORTS.agents}`
await step("both servers are ready behind the balancer", () =>
  until(async () => (await ready(ONE)) && (await ready(TWO)) && (await ready(BALANCER)) && (await shakesHands())),
)
await step("the issuer's metadata come through with its own name and certificate", async () => {
  const { issuer } = JSON.parse(await get(BALANCER, "/.well-known/oauth-authorization-server")) as { issuer: string }
  return issuer === `https://${NAME}:${PORTS.web}`
})
await step(
  "metrics and liveness stay on the host",
  async () => !/"status":"live"|process_/.test(await get(ONE, "/metrics")),
)
await using agent = await connect({
  url,
  joinToken: await joinToken(),
  folder: join(folder, "agent"),
  onProblem: () => undefined,
})
await step("an agent enrols and borrows a credential through the balancer", () => borrow(agent))
// Enrolled where mutual TLS reaches a server; from then on the agents' address is not used.
const enrolled = await enrol({ url, joinToken: await joinToken(), folder: join(folder, "web-agent") })
await using webAgent = await connect({
  url: "https://127.0.0.1:1",
  webUrl: `https://${NAME}:${PORTS.web}`,
  webCa: readFileSync(join(folder, "web-ca.pem"), "utf8"),
  folder: enrolled.folder,
  onProblem: () => undefined,
})
await step("another one borrows a credential by DPoP over the web side", () => borrow(webAgent))
await step("a dozen sessions at once, over several connections, are opened and ended", async () => {
  const sessions = await Promise.all(Array.from({ length: 12 }, () => agent.open({ purpose: "answer" })))
  await Promise.all(sessions.map((session) => session.end()))
  return sessions.length === 12
})
await step("a server is killed under traffic: both agents' work goes on, after repeats", async () => {
  await using working = workAll()
  const before = await working.more()
  servers[0]!.kill("SIGKILL")
  return before && (await working.more())
})
await step("it comes back by itself into the balance", async () => {
  servers[0] = await serve(ONE, 0)
  return await until(() => ready(ONE))
})
await step("a server that is stopped as for an upgrade leaves without a failed request", async () => {
  await using working = workAll()
  const before = await working.more()
  servers[1]!.kill("SIGTERM")
  await once(servers[1]!, "exit")
  return before && (await working.more())
})
await step("nothing is left at the resource", () =>
  until(async () => (await resource.owner.query("select from pg_roles where rolname like 'sc\\_%'")).rowCount === 0),
)
console.log(failures === 0 ? "all steps passed" : `${failures} STEPS FAILED`)
process.exitCode = failures === 0 ? 0 : 1

async function step(what: string, work: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  const problem = await work().then(
    (isWell) => (isWell ? null : "no"),
    (error: Error) => error.message,
  )
  if (problem !== null) failures += 1
  const took = `${((performance.now() - began) / 1_000).toFixed(1)} s`
  console.log(problem === null ? `pass  ${what} (${took})` : `FAIL  ${what}: ${problem}`)
}

/** A session, a credential, a query with it, and all of it given back. */
async function borrow(by: Safeconduct): Promise<boolean> {
  await using session: Session = await by.open({ purpose: "answer" })
  await using lease = await session.lease("kb", { operation: "read" })
  return "user" in lease.settings
}

/** Both agents borrow again and again, each over two connections: the balancer gives one to either server. */
function workAll() {
  const workers = [agent, agent, webAgent, webAgent].map((by) => ({ by, done: 0 }))
  let isOver = false
  const all = Promise.all(
    workers.map(async (each) => {
      for (; !isOver; each.done++) await borrow(each.by)
    }),
  )
  all.catch(() => undefined)
  return {
    /** Whether each borrows three times more; what failed for good is thrown. */
    async more(): Promise<boolean> {
      const wanted = workers.map(({ done }) => done + 3)
      const went = until(async () => workers.every(({ done }, nth) => done >= wanted[nth]!))
      return await Promise.race([went, all.then(() => false)])
    },
    async [Symbol.asyncDispose](): Promise<void> {
      isOver = true
      await all
    },
  }
}

async function ready(host: string): Promise<boolean> {
  return (await get(host, "/readyz").catch(() => "")) === "ready"
}

/** Whether the balancer passes agents' connections on: it looks at that side's servers by itself. */
async function shakesHands(): Promise<boolean> {
  const socket = connectTls({ host: BALANCER, port: PORTS.agents, rejectUnauthorized: false })
  return await once(socket, "secureConnect").then(
    () => socket.destroy() !== undefined,
    () => false,
  )
}

/** What the web side answers at that address, under the issuer's name. */
function get(host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const ca = execFileSync("cat", [join(folder, "web-ca.pem")])
    const asked = request(
      { host, port: PORTS.web, path, ca, servername: NAME, headers: { host: NAME } },
      async (answer) => {
        let text = ""
        for await (const part of answer) text += part
        resolve(text)
      },
    )
    asked.once("error", reject)
    asked.end()
  })
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + 20_000; performance.now() < end; await delay(100)) if (await holds()) return true
  return false
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function serve(host: string, nth: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--conditions=source", at("cli/bin/safeconduct.js"), "serve"], {
    env: environment(host, nth),
    stdio: ["ignore", "pipe", "inherit"],
  })
  await once(child.stdout!, "data")
  return child
}

function haproxy(file: string, env: Record<string, string>): void {
  const child = spawn("haproxy", ["-f", at(`deploy/haproxy/${file}`)], {
    env: { PATH: process.env["PATH"]!, ...env },
    stdio: ["ignore", "ignore", process.env["SHOW"] ? "inherit" : "ignore"],
  })
  stack.defer(() => void child.kill("SIGKILL"))
}

/** For the web side alone, as an operator would have from an authority of their own. */
function makeCertificate(): void {
  mkdirSync(folder, { recursive: true })
  const [key, certificate] = [join(folder, "web.key"), join(folder, "web-ca.pem")]
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  const subject = ["-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`]
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", certificate, "-days", "2", ...subject], {
    stdio: "ignore",
  })
  writeFileSync(join(folder, "web.pem"), execFileSync("cat", [key, certificate]), { mode: 0o600 })
}
