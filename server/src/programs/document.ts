import { globSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { LineCounter, parseDocument } from "yaml"
import { type Json, Refusal } from "#kernel"

/** What `apply` sends: safeconduct.yaml as JSON, with the policies' text in the place of their file names. */
export type PolicyDocument = {
  purposes: Json
  resources: Json
  agents: Json
  policies: { file: string; text: string }[]
}

const MEMBERS = new Set(["purposes", "resources", "agents", "policies"])

/**
 * Reads safeconduct.yaml and the Cedar files that it names (glob patterns beside it; `policies/*.cedar` when it names none).
 * Throws `policy-invalid` with line and column for what is not YAML, and for a member that nothing reads.
 */
export function readDocument(path: string): PolicyDocument {
  const lines = new LineCounter()
  const yaml = parseDocument(readText(path), { lineCounter: lines, uniqueKeys: true, merge: false })
  const file = basename(path)
  const [mistake] = yaml.errors
  if (mistake !== undefined) {
    const { line, col } = lines.linePos(mistake.pos[0])
    throw invalid(file, `${line}:${col}: ${mistake.message.split("\n")[0]}`, { line, column: col })
  }
  const value = (yaml.toJS({ maxAliasCount: 0 }) ?? {}) as Record<string, Json>
  if (typeof value !== "object" || Array.isArray(value))
    throw invalid(file, "it must be a mapping of purposes, resources, agents and policies.")
  for (const name of Object.keys(value)) {
    if (!MEMBERS.has(name))
      throw invalid(file, `"${name}" is not known; there are purposes, resources, agents and policies.`)
  }
  return {
    purposes: value.purposes ?? {},
    resources: value.resources ?? {},
    agents: value.agents ?? {},
    policies: readPolicies(dirname(path), file, value.policies ?? ["policies/*.cedar"]),
  }
}

function readPolicies(folder: string, file: string, patterns: Json): { file: string; text: string }[] {
  if (!Array.isArray(patterns) || !patterns.every((pattern) => typeof pattern === "string")) {
    throw invalid(file, "policies must be a list of file name patterns.")
  }
  const paths = (patterns as string[]).flatMap((pattern) => {
    const found = globSync(pattern, { cwd: folder }).sort()
    if (found.length === 0) throw invalid(file, `policies: "${pattern}" matches no file beside it.`)
    return found
  })
  return [...new Set(paths)].map((each) => {
    if (relative(folder, join(folder, each)).startsWith(".."))
      throw invalid(file, `policies: ${each} is outside the folder.`)
    return { file: each.replaceAll("\\", "/"), text: readText(join(folder, each)) }
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    throw new Refusal("policy-invalid", `${path} cannot be read.`, { cause })
  }
}

function invalid(file: string, problem: string, at: { line?: number; column?: number } = {}): Refusal {
  return new Refusal("policy-invalid", `${file}: ${problem}`, { detail: { file, ...at } })
}
