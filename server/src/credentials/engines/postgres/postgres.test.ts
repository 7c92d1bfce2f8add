import { engineConformance } from "../../engine.conformance.ts"
import { labDatabase } from "./fixture.ts"

for (const version of [15, 18] as const) {
  engineConformance(`PostgreSQL ${version}`, async () => {
    const lab = await labDatabase(version, { scramIterations: 1 })
    const engine = lab.engine()
    const clients: AsyncDisposable[] = []
    return {
      engine,
      part: lab.part,
      operation: "read",
      async connect(credential) {
        const client = await lab.lease(credential)
        clients.push(client)
        return { use: () => client.query("select * from faq"), ended: client.ended }
      },
      async [Symbol.asyncDispose]() {
        for (const client of clients) await client[Symbol.asyncDispose]()
        await engine[Symbol.asyncDispose]()
      },
    }
  })
}
