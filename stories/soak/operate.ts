import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { connect, SafeconductError } from "@safeconduct/sdk"
import type { Deployment } from "./deployment.ts"
import { documentOf } from "./document.ts"
import type { Seen } from "./observations.ts"
import type { Chance } from "./random.ts"

/** What operators do beside: suspend and resume, put changed configurations in force, end other people's sessions, enrol. */
export async function operate(
  { servers, ask, resources, joinToken, folder }: Deployment,
  chance: Chance,
  write: (seen: Seen) => void,
  stop: AbortSignal,
): Promise<void> {
  const ports = Object.fromEntries(Object.entries(resources).map(([name, { port }]) => [name, port]))
  const server = () => chance.pick(servers)
  let version = 0
  const suspend = async () => {
    const path = "/v1/agents/suspect/suspension"
    await ask(server(), "POST", path, { reason: "soak" })
    write({ kind: "stopped", agent: "suspect" })
    await delay(chance.between(500, 3_000))
    // Whatever happens: an agent that stays suspended would be no load.
    for (;;) {
      try {
        await ask(server(), "DELETE", path, { reason: "soak" })
        return write({ kind: "resumed", agent: "suspect" })
      } catch {
        await delay(500)
      }
    }
  }
  const apply = async () => {
    version += 1
    const body = { document: documentOf(ports, version) }
    const { digest } = await ask<{ digest: string }>(server(), "PUT", "/v1/policy", body)
    write({ kind: "applied", digest })
  }
  const endOne = async () => {
    const path = "/v1/sessions?state=open"
    const { sessions } = await ask<{ sessions: { id: string }[] }>(server(), "GET", path)
    if (sessions.length === 0) return
    const { id } = chance.pick(sessions)
    await ask(server(), "DELETE", `/v1/sessions/${id}`)
    write({ kind: "ended", session: id })
  }
  const recruit = async () => {
    const joining = await joinToken("/v1/agents/runner/join-tokens")
    const at = { url: server().agentsUrl, joinToken: joining, folder: join(folder, `recruit-${randomUUID()}`) }
    const { instance, close } = await connect({ ...at, onProblem: () => undefined })
    write({ kind: "enrolled", instance })
    await close()
  }
  while (!stop.aborted) {
    await delay(chance.between(2_000, 5_000))
    const [call, work] = chance.pick([
      ["suspend", suspend],
      ["apply", apply],
      ["end", endOne],
      ["enrol", recruit],
    ] as const)
    try {
      await work()
    } catch (error) {
      if (!(error instanceof SafeconductError)) throw error
      write({ kind: "refused", call: `operator ${call}`, code: error.code })
    }
  }
}
