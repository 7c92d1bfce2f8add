import type { Queryable } from "./database.ts"
import { randomText } from "./ids.ts"
import { Refusal } from "./refusal.ts"

/** One deployment is one trust domain, issuer, log and tenant; its id stands in every role name it makes at a resource. */
export type Deployment = { id: string; trustDomain: string }

/**
 * Names the deployment when it has no name yet, and reads its name. Safe to call from two servers at once.
 * Throws `not-ready` when the database belongs to another trust domain.
 */
export async function nameDeployment(database: Queryable, trustDomain: string): Promise<Deployment> {
  await database.query("insert into kernel.deployment (id, trust_domain) values ($1, $2) on conflict do nothing", [
    randomText(8),
    trustDomain,
  ])
  const deployment = (await read(database))!
  if (deployment.trustDomain !== trustDomain) {
    throw new Refusal(
      "not-ready",
      `This database belongs to the trust domain ${deployment.trustDomain}. Use another database for ${trustDomain}.`,
    )
  }
  return deployment
}

/** The deployment's id: eight base 32 characters. Throws `not-ready` before it was named. */
export async function deploymentId(database: Queryable): Promise<string> {
  const deployment = await read(database)
  if (deployment === null) throw new Refusal("not-ready", "The deployment has no name yet. Open the agents room first.")
  return deployment.id
}

async function read(database: Queryable): Promise<Deployment | null> {
  const [row] = await database.query<{ id: string; trust_domain: string }>(
    "select id, trust_domain from kernel.deployment",
  )
  return row === undefined ? null : { id: row.id, trustDomain: row.trust_domain }
}
