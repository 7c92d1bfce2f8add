/**
 * Serves what the OpenID conformance suite is to look at, until it is interrupted, and writes what the suite is to be told:
 *
 *     node --conditions=source interop/conformance-suite/serve.ts > plan.json
 *     node --conditions=source interop/conformance-suite/serve.ts --mode ping --suite https://localhost.emobix.co.uk:8443 > plan.json
 *
 * See docs/how-to/run-the-conformance-suite.md.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { openSuiteDeployment } from "./deployment.ts"

const { values: flags } = parseArgs({
  options: {
    mode: { type: "string", default: "poll" },
    suite: { type: "string" },
    alias: { type: "string", default: "safeconduct" },
  },
})
const { mode, suite, alias } = flags
const base = suite === undefined ? null : URL.parse(suite)
if (!["poll", "ping"].includes(mode) || (mode === "ping" && base === null)) {
  process.stderr.write("Usage: serve.ts [--mode poll | --mode ping --suite <base URL of the suite>] [--alias <name>]\n")
  process.exit(2)
}
const endpoint = mode === "ping" ? new URL(`/test/a/${alias}/ciba-notification-endpoint`, base!).href : null
const folder = mkdtempSync(join(tmpdir(), "safeconduct-suite-"))
const deployment = await openSuiteDeployment(folder, { alias, endpoints: [endpoint, endpoint] })
process.stdout.write(`${JSON.stringify(deployment.configuration, null, 2)}\n`)
process.stderr.write(`Serving ${deployment.configuration.server.discoveryUrl} for an hour. Ctrl-C ends it.\n`)
process.once("SIGINT", async () => {
  await deployment[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
  process.exit()
})
