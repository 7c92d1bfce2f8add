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
        const subject = async () => (await client.query("select safeconduct.subject()")).rows[0].subject
        return { use: () => client.query("select * from faq"), subject, ended: client.ended }
      },
      async subjectOf({ name }) {
        await using dba = await lab.dba()
        const open = "select subject from safeconduct.leases where role_name = $1 and ended_at is null"
        return (await dba.query(open, [name])).rows[0]?.subject ?? null
      },
      async [Symbol.asyncDispose]() {
        for (const client of clients) await client[Symbol.asyncDispose]()
        await engine[Symbol.asyncDispose]()
      },
    }
  })
}
