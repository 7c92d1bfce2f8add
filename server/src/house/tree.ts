import { readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** A file of the repository: path from its root with forward slashes, and its text. */
export type File = { path: string; text: string }

/** Where the repository is checked out. */
export const repositoryRoot: string = fileURLToPath(new URL("../../../", import.meta.url))

const IGNORED = new Set(["node_modules", "dist", ".git", ".safeconduct"])
const TEXT = /(\.(ts|js|mjs|json|sql|md|txt|ya?ml|cedar|cedarschema|go|sh)|\/(run|\.npmrc|\.gitignore))$/

/** Every text file below a folder, sorted by path; what is built, installed or run is left out. */
export function readTree(folder = ""): File[] {
  return readdirSync(join(repositoryRoot, folder), { recursive: false, withFileTypes: true })
    .filter((entry) => !IGNORED.has(entry.name))
    .flatMap((entry): File[] => {
      const path = relative(repositoryRoot, join(repositoryRoot, folder, entry.name))
        .split(sep)
        .join("/")
      if (entry.isDirectory()) return readTree(path)
      return entry.isFile() && TEXT.test(`/${path}`) ? [readFile(path)] : []
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** One file, by its path from the root. */
export function readFile(path: string): File {
  return { path, text: readFileSync(join(repositoryRoot, path), "utf8") }
}

/** TypeScript of ours, tests included. */
export function readSources(): File[] {
  return readTree().filter(({ path }) => path.endsWith(".ts"))
}

/** True for what only tests load. */
export function isTest(path: string): boolean {
  return /(\.(test|conformance|helpers|fixture)|\/fixture)\.ts$/.test(path) || /^\w+\/src\/testing\//.test(path)
}
