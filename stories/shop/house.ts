import { silentLog } from "@safeconduct/server/programs"
import { openShop, type Shop } from "../../examples/2-personalized/open.ts"
import { openFolder } from "../fixtures/folder.ts"
import type { House } from "../house.ts"

/** The house of example 2: a shop, whose customers sign in at a provider of its own. */
export type ShopHouse = House & Required<Pick<House, "sessionFor" | "privateOf">> & { shop: Shop }

/** What stands in rows that are one customer's alone, and in nothing else. */
const PRIVATE: { [person: string]: readonly string[] } = {
  alice: ["Alice", "alice@", "Kettle", "Hammock", "Ring twice", "PA-1", "PA-3"],
  bob: ["Bob", "bob@", "Accordion", "Telescope", "Zimmermann", "After six", "PB-2", "Lyon"],
}

/**
 * Starts it on PostgreSQL 15, where a lease may take its group's role, which is the harder case; and with statistics, which
 * hold values out of every row.
 */
export async function openShopHouse(): Promise<ShopHouse> {
  const shop = await openShop({ folder: await openFolder(), log: silentLog, version: 15 })
  await shop.owner.query("analyze")
  return {
    ...shop,
    shop,
    async sessionFor({ user, values, request }, agent, purpose) {
      const { order } = values
      if (purpose === "order-help" && order !== undefined && request !== null) {
        return await shop.sessionFor(user, agent, { request, order })
      }
      throw new Error("customers of this shop delegate order-help, about an order, and say what they want")
    },
    privateOf: (person) => PRIVATE[person] ?? [],
  }
}
