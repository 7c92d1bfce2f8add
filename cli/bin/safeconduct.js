#!/usr/bin/env node
// Plain JavaScript without imports that an old Node lacks, so that it can say why it will not do.
import { existsSync } from "node:fs"
import * as nodeModule from "node:module"

const OLDEST = 24
const source = new URL("../src/main.ts", import.meta.url)

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  console.error(`safeconduct needs Node ${OLDEST} or newer; this is Node ${process.versions.node}.`)
  process.exit(1)
}

nodeModule.enableCompileCache?.()
const isClone = existsSync(source)
if (isClone && !process.execArgv.includes("--conditions=source")) {
  // Nothing is built in the clone: resolve our packages to their sources, as --conditions=source would.
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: ["source", ...(context.conditions ?? [])] }),
  })
}
const { run } = await import(isClone ? source.href : "../dist/main.js")
await run(process.argv.slice(2))
