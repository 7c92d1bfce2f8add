import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api"
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client"
import { Refusal } from "./refusal.ts"

/** The steps that are timed; there are no others. Each is a span, and a value of the label `step`. */
export type Step =
  | "gate.admit"
  | "audit.commit"
  | "credentials.issue"
  | "engine.issue"
  | "engine.look-up"
  | "engine.renew"
  | "engine.revoke"

/** What a span says beside its name: names out of our own lists and configuration, never what a caller sent, never a secret. */
export type Facts = Attributes

/** A request as its span and its metrics know it; `path` is the route's, with its placeholders. */
export type RequestFacts = { method: string; path: string; headers: Headers }

/** A value that is read when somebody asks for metrics; one that cannot be read now is left out. */
export type Reading = {
  name: string
  help: string
  /** Name of the one label, when there is one. */
  label?: string
  /** By the label's value; under "" without a label. */
  read(): Promise<ReadonlyMap<string, number>> | ReadonlyMap<string, number>
}

// Prometheus looks at a process, and so does OpenTelemetry: of both there is one in each, whatever it serves.
const registry = new Registry()
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
const entries = new Counter({
  name: "safeconduct_entries_total",
  help: "Entries that this server committed to the log, by event.",
  labelNames: ["event"],
  registers: [registry],
})
const refused = new Counter({
  name: "safeconduct_refusals_total",
  help: "Answers of this server that were a refusal, by code.",
  labelNames: ["code"],
  registers: [registry],
})
const requests = new Histogram({
  name: "safeconduct_request_seconds",
  help: "From a request's headers to its answer, by route.",
  labelNames: ["method", "path"],
  buckets: SECONDS,
  registers: [registry],
})
const steps = new Histogram({
  name: "safeconduct_step_seconds",
  help: "Time that a step took: deciding, committing, issuing, and what the resource was asked for.",
  labelNames: ["step"],
  buckets: SECONDS,
  registers: [registry],
})
const cuts = new Histogram({
  name: "safeconduct_cut_seconds",
  help: "From the beginning of a revocation at the resource until no connection of the account was left.",
  buckets: SECONDS,
  registers: [registry],
})
const units = new Histogram({
  name: "safeconduct_batch_units",
  help: "Changes that shared one commit.",
  buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
  registers: [registry],
})

const running = new Gauge({
  name: "safeconduct_steps_running",
  help: "Steps that are under way or wait for their turn now.",
  labelNames: ["step"],
  registers: [registry],
})

const tracer = trace.getTracer("safeconduct")
const clocks = new Map<Step, { begin(): void; end(seconds: number): void }>()
let isCollecting = false

/**
 * Does the work inside a span, and counts how long it took. The span is one only where somebody registered OpenTelemetry's SDK
 * in this process; without, it costs next to nothing. `note` adds what is known later.
 */
export async function traced<T>(
  step: Step,
  facts: Facts,
  work: (note: (more: Facts) => void) => Promise<T>,
): Promise<T> {
  const beganMs = performance.now()
  const clock = clockOf(step)
  const span = tracer.startSpan(step, { attributes: facts })
  clock.begin()
  try {
    return await within(span, () => work((more) => span.setAttributes(more)))
  } catch (error) {
    fail(span, error)
    throw error
  } finally {
    span.end()
    clock.end((performance.now() - beganMs) / 1_000)
  }
}

/** The same for a request, which may go on with a caller's trace. The work tells the status that it answered with. */
export async function tracedRequest<T>(
  { method, path, headers }: RequestFacts,
  work: (answered: (status: number) => void) => Promise<T>,
): Promise<T> {
  const beganMs = performance.now()
  const attributes = { "http.request.method": method, "http.route": path }
  const span = tracer.startSpan(`${method} ${path}`, { kind: SpanKind.SERVER, attributes }, callersContext(headers))
  try {
    return await within(span, () =>
      work((status) => {
        span.setAttribute("http.response.status_code", status)
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      }),
    )
  } finally {
    span.end()
    requests.observe({ method, path }, (performance.now() - beganMs) / 1_000)
  }
}

/** Does the work as what the span is about; one that is of no trace has nothing to pass on. */
function within<T>(span: Span, work: () => Promise<T>): Promise<T> {
  return isSpanContextValid(span.spanContext()) ? context.with(trace.setSpan(context.active(), span), work) : work()
}

/** Counts entries that are durable now. */
export function countEntries(events: Iterable<string>): void {
  for (const event of events) entries.inc({ event })
}

/** Counts an answer that is a refusal. */
export function countRefusal(code: string): void {
  refused.inc({ code })
}

/** Counts a commit that this many changes shared. */
export function countBatch(size: number): void {
  units.observe(size)
}

/** Counts a cut: how long connections of an account lived once it was being taken away. */
export function countCut(seconds: number): void {
  cuts.observe(seconds)
}

/** All metrics of this process, and the readings as they are now, in Prometheus' text format. */
export async function exposition(readings: readonly Reading[]): Promise<{ contentType: string; text: string }> {
  if (!isCollecting) collectDefaultMetrics({ register: registry })
  isCollecting = true
  const now = new Registry()
  await Promise.all(readings.map((reading) => read(reading, now)))
  return { contentType: registry.contentType, text: `${await registry.metrics()}\n${await now.metrics()}` }
}

async function read({ name, help, label, read }: Reading, into: Registry): Promise<void> {
  const values = await Promise.resolve()
    .then(read)
    // A database that cannot be reached is told by other metrics, and must not hide them.
    .catch(() => new Map<string, number>())
  if (values.size === 0) return
  const gauge = new Gauge({ name, help, labelNames: label === undefined ? [] : [label], registers: [into] })
  for (const [value, number] of values) {
    if (label === undefined) gauge.set(number)
    else gauge.set({ [label]: value }, number)
  }
}

/** Looked up once for each step: by its label it would be looked up with every call. */
function clockOf(step: Step) {
  const known = clocks.get(step)
  if (known !== undefined) return known
  const [count, time] = [running.labels(step), steps.labels(step)]
  const clock = {
    begin: () => count.inc(),
    end(seconds: number) {
      count.dec()
      time.observe(seconds)
    },
  }
  clocks.set(step, clock)
  return clock
}

/** The code of a refusal, and of a bug only that it was one: messages may name whom they are about. */
function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute("safeconduct.code", error instanceof Refusal ? error.code : "internal")
}

/** W3C Trace Context §3.2: version, trace, parent, flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** The context that a caller's traceparent names; ours alone where there is none, or none that can be read. */
function callersContext(headers: Headers): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(headers.get("traceparent") ?? "") ?? []
  if (traceId === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags!, 16) & 1
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: spanId!, traceFlags, isRemote: true })
}
