/**
 * Performance, each figure beside its floor measured in the same run: see README.md.
 *
 *     npm run bench                       everything, 28 minutes; writes README.md
 *     npm run bench -- decisions leases   some of it
 *     npm run bench -- --quick            shorter rounds, and writes nothing
 *     npm run bench -- --json             results as JSON
 */
import { parseArgs } from "node:util"
import { asText, type Figure, type Result, writeResult } from "./figure.ts"
import { approvals } from "./figures/approvals.ts"
import { decisions } from "./figures/decisions.ts"
import { delegation } from "./figures/delegation.ts"
import { endings } from "./figures/endings.ts"
import { entries } from "./figures/entries.ts"
import { growth } from "./figures/growth.ts"
import { leases } from "./figures/leases.ts"
import { memory } from "./figures/memory.ts"
import { start } from "./figures/start.ts"
import { machine } from "./machine.ts"
import { progress } from "./measure.ts"

const figures: readonly Figure[] = [decisions, delegation, entries, leases, endings, approvals, start, growth, memory]

const { values: flags, positionals: wanted } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  allowPositionals: true,
})
const unknown = wanted.filter((name) => !figures.some((figure) => figure.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `There is no figure ${unknown.join(", ")}; there are ${figures.map(({ name }) => name).join(", ")}.\n`,
  )
  process.exit(2)
}
const pace = flags.quick ? { isQuick: true, rounds: 2, seconds: 1 } : { isQuick: false, rounds: 5, seconds: 4 }
const results: Result[] = []
for (const { measure, ...figure } of figures) {
  if (wanted.length > 0 && !wanted.includes(figure.name)) continue
  progress(`${figure.name}: ${figure.title}`)
  const about = { ...figure, at: new Date().toISOString().slice(0, 16), machine: machine() }
  const result = { ...about, ...(await measure(pace)) }
  results.push(result)
  if (!flags.quick) writeResult(result)
  if (!flags.json) process.stdout.write(`${asText(result)}\n`)
}
process.stdout.write(flags.json ? `${JSON.stringify(results, null, 2)}\n` : `\nOn ${machine()}.\n`)
// The tests' PostgreSQL registers what runs after a file of tests, and this is none.
process.exit()
