import { readFileSync } from "node:fs"
import { silentLog } from "#kernel"
import type { Behalf } from "../../behalf.ts"
import type { Engine } from "../../engine.ts"
import { type LabClient, type LabDatabase, labDatabase, type Ordered, orderOf } from "./fixture.ts"
import { postgres } from "./index.ts"
import type { PostgresPart } from "./part.ts"
import { applyPrepare, type PrepareSpec } from "./prepare.ts"

const document = new URL("../../../../../docs/how-to/row-level-security.md", import.meta.url)

/** The shop of docs/how-to/row-level-security.md, made by the document's own statements and prepared between them. */
export type Shop = AsyncDisposable & {
  lab: LabDatabase
  dba: LabClient
  engine: Engine
  part: PostgresPart
  spec: PrepareSpec
  /** The roles' names here: those of the document are the whole cluster's. */
  roles: { owner: string; web: string; desk: string; parcels: string }
  /** The document's one query. */
  query: string
  /** A connection with a lease of `own-orders` unless told. */
  lease(ordered: Ordered): Promise<ShopLease>
}

/** A connection, whose role and session it is, and another one with the same credential. */
export type ShopLease = LabClient & { role: string; session: string; again(): Promise<LabClient> }

/** Who signed in: customer 1001 and customer 1002. */
export const alice = customer("alice", "1001")
/** The other one. */
export const bob = customer("bob", "1002")

/** Builds the shop on PostgreSQL of that version; `changes` are made before the document's statements are run. */
export async function openShop(version: 15 | 18): Promise<Shop> {
  const lab = await labDatabase(version, { scramIterations: 1, connectionsPerLease: 20 }, false)
  const roles = {
    owner: `${lab.database}_owner`,
    web: `${lab.database}_web`,
    desk: `${lab.database}_desk`,
    parcels: `${lab.database}_parcels`,
  }
  const here = (text: string) =>
    text
      .replaceAll("shop_owner", roles.owner)
      .replaceAll("shop_web", roles.web)
      .replaceAll("order_desk", roles.desk)
      .replaceAll("parcel_desk", roles.parcels)
  const blocks = [...readFileSync(document, "utf8").matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql]) => here(sql!))
  const [tables, grants, rules, stamp, query, history] = blocks
  const dba = await lab.dba()
  await dba.query(`drop table faq; ${tables}`)
  const groups = [roles.desk, roles.parcels].map((role) => ({ role, schemas: ["public"], bindsUser: true }))
  const spec = { ...lab.spec, groups }
  const root = (await applyPrepare(lab.superuserUrl, spec, silentLog))!
  for (const block of [grants, rules, stamp, history]) await dba.query(block!)
  const operations = {
    "own-orders": { groupRole: roles.desk, bindsUser: true },
    "one-order": { groupRole: roles.parcels, bindsUser: true },
  }
  const part: PostgresPart = { ...lab.part, operations }
  const engine = postgres.open({ name: "shop", part }, root, silentLog)
  return {
    lab,
    dba,
    engine,
    part,
    spec,
    roles,
    query: query!,
    async lease(ordered) {
      const order = orderOf({ ...lab, part }, { operation: "own-orders", ...ordered })
      const { credential } = await engine.issue(order)
      const again = () => lab.lease(credential.reveal())
      return Object.assign(await again(), { role: order.name, session: order.binding.session, again })
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await dba[Symbol.asyncDispose]()
    },
  }
}

function customer(sub: string, number: string): Pick<Behalf, "user" | "application"> {
  const claims = { customer: [number], groups: ["customers", "newsletter"] }
  return { user: { id: `user_${sub}`, iss: "https://id.shop.example", sub, claims }, application: "shop-web" }
}
