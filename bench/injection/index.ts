/**
 * Plays a fully hijacked agent through the real gate, with any suite of tasks and injections: see ../README.md.
 *
 *     npm run bench:injection -- --suite suite.json          the report
 *     npm run bench:injection -- --suite suite.json --quick  a tenth of the variants
 *     npm run bench:injection -- --suite suite.json --json   all figures, questions and calls as JSON
 *     npm run bench:injection -- --suite suite.json --rules  what was compiled, without a replay
 */
import { parseArgs } from "node:util"
import { progress } from "../measure.ts"
import { purposesOf } from "./configure.ts"
import { lookupsOf } from "./look-ups.ts"
import { readRecord } from "./record.ts"
import { replay } from "./replay.ts"
import { asText, figuresOf } from "./report.ts"
import { readSuite } from "./suite.ts"
import { openWorld } from "./world.ts"

const USAGE = "Usage: npm run bench:injection -- --suite <file> [--quick] [--json | --rules]\n"
const { values: flags } = parseArgs({
  options: {
    suite: { type: "string" },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    rules: { type: "boolean", default: false },
  },
})
if (flags.suite === undefined) {
  process.stderr.write(
    `${USAGE}A suite is a file of tools, user tasks, injection tasks and a start state; none comes with this clone.\n`,
  )
  process.exit(2)
}
const suite = readSuite(flags.suite)
if (flags.rules) {
  const record = readRecord(suite)
  await say(JSON.stringify({ purposes: purposesOf(suite, record), lookups: lookupsOf(record) }, null, 2))
} else {
  await using world = await openWorld(suite)
  const found = await replay(suite, world, { progress, everyVariant: flags.quick ? 10 : 1 })
  const figures = figuresOf(suite, found)
  await say(flags.json ? JSON.stringify({ figures, ...found }, null, 2) : asText(figures, found))
}
// The tests' PostgreSQL registers what runs after a file of tests, and this is none.
process.exit()

/** All of it, also into a pipe, before the process ends. */
function say(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${text}\n`, () => resolve()))
}
