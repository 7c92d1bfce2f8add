import { connect } from "@safeconduct/sdk"
import pg from "pg"

/** Alice's orders: `idToken` is what her sign-in left the web site with, `statement` what it signed of her request. */
export async function ordersOf(idToken: string, statement: string) {
  await using safeconduct = await connect() // the agent's own identity, and no user's
  await using session = await safeconduct.exchange({ purpose: "order-help", subjectToken: idToken, statement }) // on behalf of Alice
  await using shop = await session.lease("shop", { operation: "read" }) // a key to her rows, for as long as that
  const client = new pg.Client(shop.settings)
  await client.connect()
  const { rows } = await client.query("select * from orders") // asks for everybody's, gets hers
  await client.end()
  return rows
}
