import { globSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml"
import { type Json, Refusal } from "#kernel"

/** What `apply` sends: safeconduct.yaml as JSON, with the policies' text in the place of their file names. */
export type PolicyDocument = {
  purposes: Json
  /** Who signs users in, and which programs invoke agents for them; absent where there is none. */
  providers?: Json
  applications?: Json
  /** Whose approval may be asked for, and how. */
  approvals?: Json
  resources: Json
  agents: Json
  policies: TextFile[]
  /** What other enforcement points ask about; absent where there is none. */
  schemas?: TextFile[]
  entities?: TextFile[]
}

type TextFile = { file: string; text: string }

const PARTS = ["purposes", "providers", "applications", "resources", "agents", "approvals"]
const MEMBERS = [...PARTS, "policies", "schemas", "entities"]

/**
 * Reads safeconduct.yaml and the files that it names: policies, schemas and entities are glob patterns beside it
 * (`policies/*.cedar` when it names no policies, nothing for the other two).
 * Throws `policy-invalid` with line and column for what is not YAML, and for a member that nothing reads.
 */
export function readDocument(path: string): PolicyDocument {
  const file = basename(path)
  const value = toValue(readYaml(path), file)
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(file, `it must be a mapping of ${MEMBERS.join(", ")}.`)
  for (const name of Object.keys(value)) {
    if (!MEMBERS.includes(name)) throw invalid(file, `"${name}" is not known; there are ${MEMBERS.join(", ")}.`)
  }
  const read = (member: string, patterns: Json) => readFiles(dirname(path), { file, member }, patterns)
  return {
    purposes: value.purposes ?? {},
    resources: value.resources ?? {},
    agents: value.agents ?? {},
    policies: read("policies", value.policies ?? ["policies/*.cedar"]),
    ...(value.providers === undefined ? {} : { providers: value.providers }),
    ...(value.applications === undefined ? {} : { applications: value.applications }),
    ...(value.approvals === undefined ? {} : { approvals: value.approvals }),
    ...(value.schemas === undefined ? {} : { schemas: read("schemas", value.schemas) }),
    ...(value.entities === undefined ? {} : { entities: read("entities", value.entities) }),
  }
}

/**
 * A mistake that a room found at a path such as `purposes.answer.actions.0`, with file, line and column of what stands
 * there, or of the nearest thing around it; any other error as it is.
 */
export function placed(error: unknown, path: string): unknown {
  if (!(error instanceof Refusal) || typeof error.detail?.["path"] !== "string") return error
  const { yaml, lines } = readYaml(path)
  if (yaml.contents === null) return invalid(basename(path), "it is empty.", error)
  const at = find(yaml.contents, error.detail["path"])
  if (at?.range == null) return error
  const { line, col } = lines.linePos(at.range[0])
  const detail = { ...error.detail, file: basename(path), line, column: col }
  return new Refusal(error.code, `${basename(path)}:${line}:${col}: ${error.message}`, { cause: error.cause, detail })
}

/** A YAML file with the places of its lines. Throws `policy-invalid` with line and column for what is none. */
export function readYaml(path: string) {
  const lines = new LineCounter()
  const yaml = parseDocument(readText(path), { lineCounter: lines, uniqueKeys: true, merge: false })
  // A warning is a tag that nothing here understands: its value would be another one than was meant.
  const [mistake] = [...yaml.errors, ...yaml.warnings]
  if (mistake === undefined) return { yaml, lines }
  const { line, col } = lines.linePos(mistake.pos[0])
  const file = basename(path)
  throw new Refusal("policy-invalid", `${file}:${line}:${col}: ${mistake.message.split("\n")[0]}`, {
    detail: { file, line, column: col },
  })
}

/** What a YAML file says, as JSON. */
export function toValue({ yaml }: ReturnType<typeof readYaml>, file: string): { [name: string]: Json } {
  try {
    return yaml.toJS({ maxAliasCount: 0 }) ?? {}
  } catch (cause) {
    throw invalid(file, "anchors and aliases are not taken; write the value out.", cause)
  }
}

/** The node at the path, as far as it leads. Names may hold dots, so the keys say where one ends. */
function find(node: unknown, path: string): Node | null {
  if (!isNode(node)) return null
  if (path === "") return node
  const items = isMap(node) ? node.items.map(({ key, value }) => ({ key, value })) : []
  if (isSeq(node)) items.push(...node.items.map((value, at) => ({ key: String(at), value })))
  for (const { key, value } of items) {
    const name = String(isScalar(key) ? key.value : key)
    if (path !== name && !path.startsWith(`${name}.`)) continue
    return find(value, path.slice(name.length + 1)) ?? node
  }
  return node
}

function readFiles(folder: string, { file, member }: { file: string; member: string }, patterns: Json): TextFile[] {
  if (!Array.isArray(patterns) || !patterns.every((pattern) => typeof pattern === "string")) {
    throw invalid(file, `${member} must be a list of file name patterns.`)
  }
  const paths = (patterns as string[]).flatMap((pattern) => {
    const found = globSync(pattern, { cwd: folder }).sort()
    if (found.length === 0) throw invalid(file, `${member}: "${pattern}" matches no file beside it.`)
    return found
  })
  return [...new Set(paths)].map((each) => {
    if (relative(folder, join(folder, each)).startsWith(".."))
      throw invalid(file, `${member}: ${each} is outside the folder.`)
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

function invalid(file: string, problem: string, cause?: unknown): Refusal {
  return new Refusal("policy-invalid", `${file}: ${problem}`, { cause, detail: { file } })
}
