import { setTimeout as delay } from "node:timers/promises"
import type { Act, Expectation, Step, Story } from "./grammar.ts"
import type { Delegated, Outcome, World } from "./world.ts"

/** How long what happens after the answer may take: roles are read back and the log tells of it a moment later. */
const SETTLE_MS = 10_000

/**
 * Plays a story. Throws an Error that begins with `file:line` where something else happened than the story says, and where
 * a step failed that nothing was expected of. `gone` and `prove` are looked at again for `settleMs`.
 */
export async function play(story: Story, world: World, settleMs = SETTLE_MS): Promise<void> {
  let outcome: Outcome | null = null
  let tookMs = 0
  for (const [at, step] of story.steps.entries()) {
    const refute = (mismatch: string, cause?: unknown): never => {
      throw new Error(`${story.file}:${step.line}: ${step.source}\n  but ${mismatch}`, { cause })
    }
    if (step.verb === "expect") {
      const mismatch = await compare(step, outcome, world, settleMs)
      if (mismatch !== null) refute(mismatch)
      if (step.withinMs !== null && tookMs > step.withinMs) refute(`it took ${Math.ceil(tookMs)} ms`)
    } else if (step.verb === "prove") {
      const mismatch = await settled(settleMs, async () => missing(step, await world.provenEvents()))
      if (mismatch !== null) refute(mismatch)
    } else {
      const startMs = performance.now()
      outcome = await happen(step, world).catch((cause: Error) =>
        refute(`it could not be tried: ${cause.message}`, cause),
      )
      tookMs = performance.now() - startMs
      const isWatched = story.steps[at + 1]?.verb === "expect"
      if (!isWatched && outcome.kind !== "allowed") refute(describe(outcome))
    }
  }
}

async function happen(step: Exclude<Step, { verb: "expect" | "prove" }>, world: World): Promise<Outcome> {
  switch (step.verb) {
    case "session":
      return world.session(step.agent, step.purpose, step.seconds, delegatedOf(step))
    case "end":
      return world.end()
    case "read":
      throw new Error("documents and their labels are not built yet")
    case "approve":
      return world.approve(step.user, step.isDenied)
    case "act":
      return act(step, world)
  }
}

function delegatedOf({ user, values, request }: Step & { verb: "session" }): Delegated | null {
  if (user !== null) return { user, values, request }
  if (request === null && Object.keys(values).length === 0) return null
  throw new Error("only a user asks for something: name one before the agent")
}

function act(step: Act, world: World): Promise<Outcome> {
  switch (step.act) {
    case "lease":
      return world.lease(step.resource, step.operation, step.values)
    case "delegate":
      return world.delegate(step.purpose, step, step.agent)
    case "tool":
      return world.tool(step, step)
    case "login":
      return world.login()
    case "sql":
      return world.sql(step.connection, step.sql)
    case "steal":
      return world.steal(step.agent)
    case "forge":
      return world.forge(step.agent)
    case "suspend":
      return world.suspend(step.agent)
    case "resume":
      return world.resume(step.agent)
    case "call":
      return world.call(step.method, step.path, step.as, step.body)
  }
}

/** Null when the outcome is the expected one, else what it was. */
async function compare(
  expected: Expectation,
  outcome: Outcome | null,
  world: World,
  settleMs: number,
): Promise<string | null> {
  if (expected.expect === "gone") {
    return await settled(settleMs, async () => {
      const left = await world.accounts()
      return left.length === 0 ? null : `the resource still has ${left.join(", ")}`
    })
  }
  if (outcome === null) return "nothing happened before this"
  const was = describe(outcome)
  switch (expected.expect) {
    case "allowed":
      return outcome.kind === "allowed" ? null : was
    case "answer":
      return outcome.kind === "allowed" && outcome.text.includes(expected.text) ? null : was
    case "asked":
      return outcome.kind === "asked" ? null : was
    case "no":
      return outcome.text.includes(expected.text) ? `"${expected.text}" stands in it: ${was}` : null
    case "refused":
      return outcome.kind === "refused" && outcome.code === expected.code ? null : was
    case "nothing": {
      const seen = world.privateOf(expected.of).filter((each) => outcome.text.includes(each))
      return seen.length === 0 ? null : `${seen.join(", ")} came through: ${was}`
    }
    case "failed":
      return outcome.kind === "failed" && outcome.sqlState === expected.sqlState ? null : was
    case "cut":
      // 57P01: terminated by an administrator; without a SQLSTATE the socket was closed before the message was read.
      return outcome.kind === "failed" && (outcome.sqlState === null || outcome.sqlState === "57P01") ? null : was
  }
}

/** Looks again until there is no mismatch, or until it has had its time. */
async function settled(withinMs: number, look: () => Promise<string | null>): Promise<string | null> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const mismatch = await look()
    if (mismatch === null || performance.now() > deadline) return mismatch
    await delay(50)
  }
}

function missing(step: Step & { verb: "prove" }, events: string[]): string | null {
  if ("count" in step) return events.length === step.count ? null : `the log has ${events.length}: ${events.join(" ")}`
  let from = 0
  for (const event of step.events) {
    const at = events.indexOf(event, from)
    if (at === -1) return `the log has, in this order: ${events.join(" ")}`
    from = at + 1
  }
  return null
}

function describe(outcome: Outcome): string {
  if (outcome.kind === "allowed") return `it was allowed: ${outcome.text || "no text"}`
  if (outcome.kind === "asked") return `it waits for an approval: ${outcome.text}`
  if (outcome.kind === "refused") return `it was refused ${outcome.code}: ${outcome.text}`
  return `it failed ${outcome.sqlState ?? "without SQLSTATE"}: ${outcome.text}`
}
