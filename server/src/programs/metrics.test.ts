import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { after, before, describe, test } from "node:test"
import { trace } from "@opentelemetry/api"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { apply, parseDocument } from "#gate"
import { type Caller, caller, document, type TestDeployment, testDeployment } from "./fixture.ts"
import type { Running } from "./serve.ts"

/** A sample of Prometheus' text format (exposition format 0.0.4). */
type Sample = { name: string; labels: Record<string, string>; value: number }

const SAMPLE = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[-+0-9.e]+)$/i
const IDENTIFIER = /(session|lease|entry|agent|instance|token|action)_[0-9a-z]{20,}|spiffe:|@|eyJ/

function parse(text: string): Sample[] {
  return text.split("\n").flatMap((line): Sample[] => {
    if (line === "" || line.startsWith("# HELP ") || line.startsWith("# TYPE ")) return []
    const [, name, labels = "", value] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`)
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, held]) => [label, held])
    return [{ name: name!, labels: Object.fromEntries(pairs), value: Number(value) }]
  })
}

describe("a server at work", { timeout: 60_000 }, () => {
  let deployment: TestDeployment
  let server: Running
  let bot: Caller
  const exporter = new InMemorySpanExporter()
  before(async () => {
    deployment = await testDeployment()
    server = await deployment.serve()
    await apply(server.rooms, "server", parseDocument(document))
    bot = await caller(server, { kind: "agent", name: "bot" })
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  })
  after(async () => {
    trace.disable()
    bot?.[Symbol.dispose]()
    await deployment?.[Symbol.asyncDispose]()
  })

  const scrape = async () => {
    const response = await fetch(`${server.opsUrl}/metrics`)
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
    return parse(await response.text())
  }
  const valueIn = (samples: Sample[], name: string, labels: Record<string, string> = {}) =>
    samples.find(
      (each) => each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
    )?.value ?? 0
  /** Opens a session and asks for two actions, of which policy allows one. */
  const work = async (headers: Record<string, string> = {}) => {
    const post = async (path: string, body: object) =>
      (await bot.call("POST", path, { body: JSON.stringify(body), headers })).json!
    const { session } = (await post("/v1/sessions", { purpose: "answer" })) as { session: { id: string } }
    const ask = (operation: string) =>
      post("/v1/actions", {
        session: session.id,
        action: { type: "tool", resource: "kb", operation, arguments: { to: "Alice", secret: "swordfish" } },
      })
    assert.deepEqual([(await ask("ask"))["verdict"], (await ask("shout"))["verdict"]], ["allow", "deny"])
  }

  test("tells Prometheus what it decided, refused and committed", async () => {
    const earlier = await scrape()
    await work()
    assert.equal((await bot.call("GET", "/v1/sessions/nobody")).status, 404)
    const now = await scrape()
    const grew = (name: string, labels: Record<string, string> = {}) =>
      valueIn(now, name, labels) - valueIn(earlier, name, labels)
    assert.equal(grew("safeconduct_entries_total", { event: "gate.action-begun" }), 1)
    assert.equal(grew("safeconduct_entries_total", { event: "gate.action-denied" }), 1)
    assert.equal(grew("safeconduct_refusals_total", { code: "session-unknown" }), 1)
    assert.equal(grew("safeconduct_request_seconds_count", { method: "POST", path: "/v1/actions" }), 2)
    assert.equal(grew("safeconduct_step_seconds_count", { step: "gate.admit" }), 2)
    assert.ok(grew("safeconduct_step_seconds_count", { step: "audit.commit" }) >= 3)
    assert.ok(valueIn(now, "safeconduct_log_entries") >= valueIn(now, "safeconduct_checkpoint_entries"))
    assert.ok(valueIn(now, "safeconduct_checkpoint_entries") > 0)
    assert.equal(valueIn(now, "safeconduct_log_is_altered"), 0)
    assert.ok(valueIn(now, "safeconduct_database_connections", { state: "open" }) > 0)
    assert.ok(valueIn(now, "process_cpu_seconds_total") > 0)
  })

  test("names nobody: every label's value stands in a list of ours or in the configuration", async () => {
    await work()
    for (const { name, labels } of await scrape()) {
      for (const value of Object.values(labels)) assert.doesNotMatch(value, IDENTIFIER, name)
    }
  })

  test("has every metric of its own in the reference", async () => {
    const reference = readFileSync(new URL("../../../docs/reference/programs.md", import.meta.url), "utf8")
    const names = new Set((await scrape()).map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")))
    const own = [...names].filter((name) => name.startsWith("safeconduct_"))
    assert.ok(own.length > 12, own.join())
    assert.deepEqual(
      own.filter((name) => !reference.includes(`\`${name}\``)),
      [],
    )
  })

  test("continues a caller's trace, and puts no argument, token or name of a person into a span", async () => {
    exporter.reset()
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
    await work({ traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
    const spans = exporter.getFinishedSpans()
    const requests = spans.filter(({ name }) => name === "POST /v1/actions")
    assert.equal(requests.length, 2)
    for (const span of requests) assert.equal(span.spanContext().traceId, traceId)
    assert.ok(
      spans.some(({ name, attributes }) => name === "gate.admit" && attributes["safeconduct.verdict"] === "deny"),
    )
    const told = JSON.stringify(spans.map(({ name, attributes, events, status }) => [name, attributes, events, status]))
    assert.doesNotMatch(told, /Alice|swordfish|eyJ/)
  })
})
