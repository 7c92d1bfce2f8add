import assert from "node:assert/strict"
import { AsyncLocalStorage } from "node:async_hooks"
import { after, before, beforeEach, describe, test } from "node:test"
import { type Context, type ContextManager, context, ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Refusal } from "./refusal.ts"
import { countBatch, countCut, countEntries, countRefusal, exposition, traced, tracedRequest } from "./telemetry.ts"

/** What OpenTelemetry's SDK for Node brings along: the context that goes with what is awaited. */
function contextsOfCalls(): ContextManager {
  const storage = new AsyncLocalStorage<Context>()
  const contexts: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...rest) => storage.run(active, () => work.call(self, ...rest)),
    bind: (_, target) => target,
    enable: () => contexts,
    disable: () => contexts,
  }
  return contexts
}

/** The value of a line of Prometheus' text format. */
const numberAt = (text: string, line: string) =>
  Number(
    text
      .split("\n")
      .find((each) => each.startsWith(`${line} `))
      ?.slice(line.length + 1),
  )

test("without OpenTelemetry's SDK the work is done all the same", async () => {
  const note = { "safeconduct.verdict": "allow" }
  const work = async (tell: (facts: typeof note) => void) => {
    tell(note)
    return 7
  }
  assert.equal(await traced("gate.admit", {}, work), 7)
  const request = { method: "GET", path: "/x", headers: new Headers({ traceparent: "odd" }) }
  assert.equal(await tracedRequest(request, async () => 8), 8)
})

describe("with OpenTelemetry's SDK", () => {
  const exporter = new InMemorySpanExporter()
  before(() => {
    context.setGlobalContextManager(contextsOfCalls())
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  })
  after(() => {
    trace.disable()
    context.disable()
  })
  beforeEach(() => exporter.reset())
  const spans = () => exporter.getFinishedSpans()
  const request = (traceparent?: string) => ({
    method: "POST",
    path: "/v1/actions",
    headers: new Headers({ authorization: "Bearer secret", ...(traceparent && { traceparent }) }),
  })

  test("a request and its steps are one trace, each step below the one that asked for it", async () => {
    await tracedRequest(request(), async (answered) => {
      await traced("gate.admit", {}, (note) => {
        note({ "safeconduct.verdict": "allow" })
        return traced("audit.commit", {}, async () => undefined)
      })
      answered(200)
    })
    const [commit, admit, http] = spans()
    assert.deepEqual(
      [commit, admit, http].map((span) => span!.name),
      ["audit.commit", "gate.admit", "POST /v1/actions"],
    )
    assert.deepEqual(
      [commit, admit, http].map((span) => span!.parentSpanContext?.spanId),
      [admit!.spanContext().spanId, http!.spanContext().spanId, undefined],
    )
    assert.deepEqual(admit!.attributes, { "safeconduct.verdict": "allow" })
    assert.deepEqual(http!.attributes, {
      "http.request.method": "POST",
      "http.route": "/v1/actions",
      "http.response.status_code": 200,
    })
  })

  test("a caller's trace goes on, as its traceparent says (W3C Trace Context §3.2)", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c"
    await tracedRequest(request(`00-${traceId}-b7ad6b7169203331-01`), async () => undefined)
    const [http] = spans()
    assert.deepEqual(
      [http!.spanContext().traceId, http!.parentSpanContext?.spanId, http!.parentSpanContext?.isRemote],
      [traceId, "b7ad6b7169203331", true],
    )
  })

  for (const odd of [
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    "secret",
  ]) {
    test(`a traceparent that is none begins a trace of our own: ${odd}`, async () => {
      await tracedRequest(request(odd), async () => undefined)
      assert.equal(spans()[0]!.parentSpanContext, undefined)
    })
  }

  test("a failure leaves its code in the span, and none of its words", async () => {
    const refused = new Refusal("denied-by-policy", "Alice may not.", { cause: new Error("secret") })
    await assert.rejects(
      traced("gate.admit", {}, () => Promise.reject(refused)),
      refused,
    )
    await assert.rejects(traced("engine.issue", {}, () => Promise.reject(new Error("password secret"))))
    assert.deepEqual(
      spans().map(({ status, attributes }) => [status, attributes]),
      [
        [{ code: SpanStatusCode.ERROR }, { "safeconduct.code": "denied-by-policy" }],
        [{ code: SpanStatusCode.ERROR }, { "safeconduct.code": "internal" }],
      ],
    )
    const told = JSON.stringify(
      spans().map(({ name, attributes, events, status }) => [name, attributes, events, status]),
    )
    assert.doesNotMatch(told, /Alice|secret/)
  })
})

describe("metrics", () => {
  test("count what was told, in Prometheus' text format", async () => {
    const { text: before } = await exposition([])
    countEntries(["gate.action-begun", "gate.action-begun", "gate.action-denied"])
    countRefusal("lease-limit")
    countBatch(3)
    countCut(0.004)
    await traced("engine.revoke", {}, async () => undefined)
    const { text, contentType } = await exposition([])
    assert.match(contentType, /^text\/plain; version=0\.0\.4/)
    const grew = (line: string) => numberAt(text, line) - (numberAt(before, line) || 0)
    assert.equal(grew('safeconduct_entries_total{event="gate.action-begun"}'), 2)
    assert.equal(grew('safeconduct_refusals_total{code="lease-limit"}'), 1)
    assert.equal(grew("safeconduct_batch_units_sum"), 3)
    assert.equal(grew("safeconduct_cut_seconds_count"), 1)
    assert.equal(grew('safeconduct_step_seconds_count{step="engine.revoke"}'), 1)
    assert.equal(numberAt(text, 'safeconduct_steps_running{step="engine.revoke"}'), 0)
  })

  test("show what is under way, and forget it when it failed", async () => {
    const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const line = 'safeconduct_steps_running{step="engine.renew"}'
    const work = traced("engine.renew", {}, () => {
      begun.resolve()
      return end.promise
    })
    await begun.promise
    assert.equal(numberAt((await exposition([])).text, line), 1)
    end.reject(new Error("down"))
    await assert.rejects(work, /down/)
    assert.equal(numberAt((await exposition([])).text, line), 0)
  })

  test("are read as they are asked for; what cannot be read now is left out and hides nothing", async () => {
    const { text } = await exposition([
      { name: "safeconduct_one", help: "One.", read: () => new Map([["", 1.5]]) },
      { name: "safeconduct_down", help: "Down.", read: () => Promise.reject(new Error("no database")) },
      { name: "safeconduct_by", help: "By.", label: "resource", read: async () => new Map([["kb", 2]]) },
    ])
    assert.deepEqual(
      ["safeconduct_one", 'safeconduct_by{resource="kb"}'].map((line) => numberAt(text, line)),
      [1.5, 2],
    )
    assert.doesNotMatch(text, /safeconduct_down/)
  })
})
