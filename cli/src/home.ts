import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

/** Files of this command in its folder. */
export const FILES = {
  operator: "operator",
  logKey: "log.vkey",
  checkpoints: "checkpoints",
} as const

/**
 * Our folder: SAFECONDUCT_HOME, or the nearest `.safeconduct` from the working directory upward, or a new one here. It
 * holds the operator's identity, the log's public key and the last checkpoints that were verified.
 */
export function findHome(from = process.cwd(), variable = process.env["SAFECONDUCT_HOME"]): string {
  if (variable) return resolve(variable)
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const candidate = join(folder, ".safeconduct")
    if (existsSync(candidate)) return candidate
    if (dirname(folder) === folder) return join(resolve(from), ".safeconduct")
  }
}

/** Path of one of our files. */
export function inHome(...names: string[]): string {
  return join(findHome(), ...names)
}
