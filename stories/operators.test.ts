import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { after, before, test } from "node:test"
import { findDeployment, newChallenge, openTransport, redeemSignIn, type Transport } from "@safeconduct/sdk"
import { BIN, workplace } from "../cli/src/testing/run.ts"
import { openPerson } from "../examples/2-personalized/person.ts"
import { createRequest } from "../sdk/src/csr.ts"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { type ConsentGround, openConsentGround } from "./fixtures/consent-ground.ts"
import { choose } from "./fixtures/provider.ts"
import { until } from "./fixtures/until.ts"

let stack: AsyncDisposableStack
let at: ConsentGround
let browser: Browser

before(async () => {
  stack = new AsyncDisposableStack()
  at = stack.use(await openConsentGround())
  if (!noBrowser) browser = stack.use(await openBrowser())
  await configure({ "sec-admins": ["admin"], auditors: ["auditor"] })
})
after(() => stack.disposeAsync())

/** Puts those groups in force, at the provider where Olga is one of sec-admins and Alice is a customer. */
async function configure(values: { [group: string]: string[] }): Promise<void> {
  const { document } = await at.ground.operator.json<{ document: Document }>({ method: "GET", path: "/v1/policy" })
  const { shop } = document.providers
  const providers = { shop: { ...shop, roles: { claim: "groups", values } } }
  await at.ground.apply({ ...document, providers } as never)
}
type Document = { providers: { shop: object } }

/** The command in a folder of its own, and what it printed for the browser. */
type CommandLine = Disposable & {
  url: string
  compared: string
  child: ChildProcess
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  run: ReturnType<typeof workplace>["run"]
}

async function login(): Promise<CommandLine> {
  const place = workplace()
  const args = ["login", "--provider", "shop", "--web-url", at.issuer, "--json"]
  const child = spawn(process.execPath, [BIN, ...args], { cwd: place.folder, env: place.env })
  const closed = once(child, "close")
  const stdout = text(child.stdout)
  const lines: string[] = []
  const { promise: asked, resolve, reject } = Promise.withResolvers<void>()
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line)
    if (line.startsWith("Allow it only if")) resolve()
  })
  const ended = closed.then(async ([code]) => {
    reject(new Error(`it ended: ${lines.join("\n")}`))
    return { code: code as number | null, stdout: await stdout, stderr: lines.join("\n") }
  })
  await asked
  return {
    url: lines.find((line) => line.includes("http"))!.trim(),
    compared: /[A-Z]{4}-[A-Z]{4}/.exec(lines.at(-1)!)![0],
    child,
    ended,
    run: place.run,
    [Symbol.dispose]() {
      child.kill("SIGKILL")
      place[Symbol.dispose]()
    },
  }
}

async function assertFit(window: Window, name: string): Promise<void> {
  await window.screenshot(name)
  assert.deepEqual(await window.violations(), [])
  const { scrollWidth, width } = await window.page.evaluate<{ scrollWidth: number; width: number }>(
    "({ scrollWidth: document.documentElement.scrollWidth, width: innerWidth })",
  )
  assert.ok(scrollWidth <= width, `${name} is wider than its window`)
}

const sights: Sight[] = [{ size: "desktop" }, { size: "phone" }, { size: "phone", scheme: "dark" }]
for (const sight of sights) {
  const on = `${sight.size}${sight.scheme === "dark" ? " in the dark" : ""}`
  test(`Olga logs in at the command line with her browser, and is an admin there, on a ${on}`, {
    skip: noBrowser,
  }, async () => {
    using line = await login()
    await using window = await browser.window(sight)
    const { page } = window
    await page.goto(line.url)
    await choose(page, "Olga")
    await page.waitForURL(`${at.issuer}/sign-in/shop/operator/**`)
    await page.getByText(line.compared, { exact: true }).waitFor()
    await assertFit(window, "operator")
    await page.getByRole("button", { name: "Allow" }).click()
    await page.getByText("You are logged in at the command line.").waitFor()
    assert.deepEqual(window.complaints, [])
    const { code, stdout } = await line.ended
    assert.equal(code, 0)
    const identity = JSON.parse(stdout) as { spiffeId: string }
    const { rows } = await line.run(["operators", "list", "--json"])
    const own = rows.find(({ name }) => identity.spiffeId.endsWith(`/operator/${name}`))!
    assert.deepEqual(own["roles"], ["admin"])
  })
}

test("Alice, who is in no group of operators, is told so in the browser, and given nothing", {
  skip: noBrowser,
}, async () => {
  using line = await login()
  await using window = await browser.window({ size: "phone" })
  await window.page.goto(line.url)
  await choose(window.page, "Alice")
  await window.page.getByText("You have no role here").first().waitFor()
  await assertFit(window, "operator-no-role")
  assert.equal(line.child.exitCode, null)
})

/** Goes through the pages without a browser, up to where they lead back to. */
async function comeBack(url: string, { decision = "Allow", person = "olga" } = {}): Promise<URL> {
  const somebody = openPerson(new URL(url).searchParams.get("redirect_uri")!)
  const page = await somebody.press(await somebody.visit(url), `person=${person}`)
  return new URL((await somebody.press(page, decision)).url)
}

test("Olga says no, and the command line ends with that", async () => {
  using line = await login()
  const back = await comeBack(line.url, { decision: "Deny" })
  await (await fetch(back)).text()
  const { code, stderr } = await line.ended
  assert.equal(code, 5)
  assert.match(stderr, /not logged in: The operator denied it/)
})

/** A command line of the test's own: from nothing to a code, by that server. */
async function coded() {
  const deployment = await findDeployment(at.issuer)
  const { verifier, challenge, state } = newChallenge()
  const asked = { redirect_uri: "http://127.0.0.1:9/signed-in", state, code_challenge: challenge }
  const url = `${at.issuer}/sign-in/shop/operator?${new URLSearchParams(asked)}`
  return { deployment, verifier, code: (await comeBack(url)).searchParams.get("code")! }
}

/** As an operator with that identity, at that server. */
async function actsAs(folder: string) {
  const { deployment, verifier, code } = await coded()
  const identity = await redeemSignIn(deployment, { code, verifier, folder: join(folder, "operator") })
  const key = identity.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const connect = (url: string) => openTransport({ ...deployment.peer, url, credentials: { key, svid: identity.svid } })
  return { identity, at: connect }
}

const look = (transport: Transport) => transport.json({ method: "GET", path: "/v1/agents/operators" })

test("signed out at the provider, or in no group any more, she is nobody on either server", async () => {
  using place = workplace()
  for (const what of ["logout", "configuration"] as const) {
    const olga = await actsAs(join(place.folder, what))
    using here = olga.at(at.one.agentsUrl)
    using there = olga.at(at.two.agentsUrl)
    await Promise.all([look(here), look(there)])
    if (what === "configuration") await configure({ auditors: ["auditor"] })
    else await at.provider.signOut("olga")
    for (const transport of [here, there]) {
      await until("the operator to be nobody", async () => {
        const refused = await look(transport).then(
          () => null,
          (error: { code: string }) => error.code,
        )
        return refused === "svid-expired"
      })
    }
    await assert.rejects(
      here.json({
        method: "POST",
        path: "/v1/agents/renewals",
        body: { csr: createRequest(olga.identity.privateKey) },
      }),
      { code: "svid-expired" },
    )
    await configure({ "sec-admins": ["admin"] })
    await assert.rejects(look(here), { code: "svid-expired" })
  }
})

test("a server killed between the code and the certificate: the other one gives it, once, and again for the lost answer", async () => {
  const { deployment, verifier, code } = await coded()
  const next = at.ground.standby(at.one)
  await at.one.child.kill("SIGKILL")
  at.lead(at.two)
  using place = workplace()
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const csr = createRequest(privateKey)
  using transport = openTransport({ ...deployment.peer, url: at.two.agentsUrl })
  const redeem = (body: object) =>
    transport.json<{ instance: string }>({ method: "POST", path: "/v1/agents/operators/sign-ins", body })
  const first = await redeem({ code, codeVerifier: verifier, csr })
  const one = await (await next).serve()
  using other = openTransport({ ...deployment.peer, url: one.agentsUrl })
  const again = await other.json<{ instance: string }>({
    method: "POST",
    path: "/v1/agents/operators/sign-ins",
    body: { code, codeVerifier: verifier, csr },
  })
  assert.equal(again.instance, first.instance)
  await assert.rejects(redeemSignIn(deployment, { code, verifier, folder: place.folder }), { code: "grant-invalid" })
})
