/**
 * A server that commits as fast as it can, told by its environment where, and prints the index of each entry once it is
 * durable. It is there to be killed.
 */
import process from "node:process"
import { openDatabase } from "#kernel"
import { happened, openTestLog } from "./fixture.ts"

const audit = await openTestLog(openDatabase({ url: process.env["LOG_URL"]! }), process.env["LOG_KEY"]!)
for (let caller = 0; caller < 8; caller++) void commitForever()

async function commitForever(): Promise<void> {
  for (;;) {
    const { entries } = await audit.commit(happened(3, { personal: { n: 1 }, deadlineSeconds: 60 }))
    process.stdout.write(`${entries.map(({ index }) => index).join(" ")}\n`)
  }
}
