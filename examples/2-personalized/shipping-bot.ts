/**
 * Another team's agent, which knows the carriers. It is handed a session for one parcel: the same customer, the same chain of
 * custody, a smaller purpose, a shorter life. What it asks of the database is not even limited to that parcel.
 */
import type { Safeconduct } from "@safeconduct/sdk"
import { type Tracker, withKey } from "./bot.ts"

/** Takes what it is offered, and answers. */
export function openShippingBot(safeconduct: Safeconduct): Tracker {
  return async (delegation) => {
    await using session = await safeconduct.open({ delegation })
    const parcels = await withKey(session, { operation: "track" }, (shop) =>
      shop.query<{ line: string }>("select id || ' (' || carrier || ') is ' || whereabouts as line from parcels"),
    )
    return parcels.map(({ line }) => line).join("; ") || "There is no parcel yet."
  }
}
