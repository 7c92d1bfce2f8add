import pg from "pg"
import { openSigningGround } from "../fixtures/signing-ground.ts"
import type { House } from "../house.ts"

/** The house where people are asked: an HR department's tools, two servers, and phones with passkeys. */
export async function openSigningHouse(): Promise<House> {
  await using stack = new AsyncDisposableStack()
  const at = stack.use(await openSigningGround())
  const { ground } = at
  const owner = new pg.Client(ground.ownerUrls["kb"])
  await owner.connect()
  stack.defer(() => owner.end())
  const owned = stack.move()
  return {
    agentsUrl: ground.first.agentsUrl,
    logKey: ground.logKey,
    operator: ground.operator,
    owner,
    enrolled: (agent) => ground.enrolled(agent),
    phone: at.phone,
    async sessionFor({ user }, agent, purpose) {
      if (purpose === "answer") return await at.sessionFor(user, agent)
      throw new Error("people here delegate answer")
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
