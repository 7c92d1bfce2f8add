/**
 * A server that tells people, told by its environment where and by what, and says each second whom it has. It is there to be
 * killed.
 */
import process from "node:process"
import { openDatabase, openKeyring } from "#kernel"
import { openServer } from "./reach.fixture.ts"

const env = process.env as { [name: string]: string }
const database = openDatabase({ url: env["REACH_URL"]! })
await openServer({
  store: { database },
  keyPath: env["REACH_LOG_KEY"]!,
  keyring: openKeyring(Buffer.from(env["REACH_KEY"]!, "base64url")),
  part: () => JSON.parse(env["REACH_PART"]!),
  times: { claimSeconds: 3 },
  isStuck: env["REACH_STUCK"] === "yes",
})
process.stdout.write("ready\n")
