import { dirname, join } from "node:path/posix"
import type { Import, Parsed } from "./parse.ts"
import { isTest } from "./tree.ts"

/** The rooms, lowest first. A room uses only those before it, and only through their doors. */
export const floors = [
  "kernel",
  "audit",
  "agents",
  "sessions",
  "policy",
  "approvals",
  "credentials",
  "gate",
  "detections",
  "enforce",
  "api",
  "programs",
] as const

/** Beside the rooms: helpers of tests, and the tests of the whole house. They may use every door. */
const besideTheRooms = ["testing", "house"]

/** Pure files: their answer depends on their arguments only, so nothing they reach may touch the world or the time. */
const pure = ["decide", "question", "explain"].map((name) => `server/src/policy/${name}.ts`)

const WORLD =
  /^(pg|pino|node:(fs|net|http|http2|https|tls|dns|dgram|child_process|cluster|worker_threads|timers|os|process)(\/.*)?)$/
const IMPURE_CALL =
  /^(fetch|setTimeout|setInterval|setImmediate|new Date|Date\.now|performance\.now|Math\.random|random(Bytes|UUID)?)$/

/** Sentences on every import that the floor plan does not allow, each beginning with `path:line`. */
export function checkFloorPlan(files: readonly Parsed[]): string[] {
  return files.flatMap((file) => [
    ...(roomOf(file.path) === "" ? [`${file.path}:1 stands in no room (floor-plan.ts lists them)`] : []),
    ...file.imports.flatMap((each) => {
      const reason = refuse(file, each)
      return reason === null ? [] : [`${file.path}:${each.line} ${reason}`]
    }),
  ])
}

/** Sentences on what makes a pure file of `policy` impure, itself or through what it imports in its room. */
export function checkPurity(files: readonly Parsed[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  return pure.flatMap((start) => {
    const reached = new Set<string>()
    const walk = (path: string): string[] => {
      const file = byPath.get(path)
      if (file === undefined || reached.has(path)) return []
      reached.add(path)
      const imports = file.imports.filter(({ isType }) => !isType)
      return [
        ...(path.endsWith("/store.ts") ? [`${start}:1 reaches ${path}: a pure file reads no table`] : []),
        ...imports
          .filter(({ specifier }) => WORLD.test(specifier) && !readsOnlyItself(file, specifier))
          .map(({ line, specifier }) => `${path}:${line} imports ${specifier}, but ${start} is pure`),
        ...file.calls
          .filter(({ callee }) => IMPURE_CALL.test(callee))
          .map(({ line, callee }) => `${path}:${line} calls ${callee}, but ${start} is pure: pass the value in`),
        ...imports.flatMap(({ specifier }) => walk(resolveFrom(path, specifier))),
      ]
    }
    return walk(start)
  })
}

/** True for a file that reads nothing but what lies beside it, such as a schema: that is a constant. */
function readsOnlyItself(file: Parsed, specifier: string): boolean {
  const reads = file.calls.filter(({ callee }) => /^(read|open|create|write)\w*$/i.test(callee))
  return specifier === "node:fs" && reads.every(({ argumentTexts }) => /^new URL\("\.\//.test(argumentTexts[0] ?? ""))
}

/** Room of a file of the server; null outside it; "" for one that stands in none. */
export function roomOf(path: string): string | null {
  const match = /^server\/src\/(?:([^/]+)\/)?[^/]/.exec(path)
  if (match === null) return null
  const room = match[1] ?? ""
  return [...floors, ...besideTheRooms].includes(room) ? room : ""
}

/** Path of the file that a relative specifier names. */
export function resolveFrom(path: string, specifier: string): string {
  return join(dirname(path), specifier)
}

function refuse(file: Parsed, { specifier, isDynamic }: Import): string | null {
  const isRelative = specifier.startsWith(".")
  // The command loads the server only for what needs it, so that everything else starts at once.
  const isLazyPackage = file.path.startsWith("cli/") && specifier.startsWith("@safeconduct/")
  const isLazyTest = isTest(file.path) && specifier.startsWith("node:")
  if (isDynamic && !isLazyPackage && !isLazyTest)
    return `imports ${specifier} dynamically: what a file uses stands at its top`
  if (isRelative && !/\.(ts|js|json)$/.test(specifier)) return `imports ${specifier} without its extension`
  const room = roomOf(file.path)
  if (room === null) return refuseInPackage(file.path, specifier)
  if (isRelative) {
    const target = resolveFrom(file.path, specifier)
    return target.startsWith(`server/src/${room}/`) ? null : `leaves its room for ${target}: use the door (#room)`
  }
  if (!specifier.startsWith("#")) {
    const isBelow = ["@safeconduct/tlog", "@safeconduct/console", "@safeconduct/console/passkey"].includes(specifier)
    return specifier.startsWith("@safeconduct/") && !isBelow
      ? `imports ${specifier}, which stands above the server`
      : null
  }
  const door = specifier.slice(1)
  // A test may come in by the door, as a neighbour would.
  if (door === room) return isTest(file.path) ? null : `imports its own door ${specifier}: name the file`
  if (door === "testing") return isTest(file.path) || room === "house" ? null : "imports #testing outside a test"
  if (!isFloor(door)) return `imports ${specifier}, which is no door`
  if (!isFloor(room)) return null
  return floors.indexOf(door) < floors.indexOf(room) ? null : `imports ${specifier}, which stands above ${room}`
}

/** Packages stand apart: nobody reaches into another's folder, and those that are installed alone do not know the server. */
function refuseInPackage(path: string, specifier: string): string | null {
  const home = path.split("/")[0]!
  if (isTest(path)) return null
  const alone = ["tlog", "console", "sdk", "provider"].includes(home)
  if (alone && specifier.startsWith("@safeconduct/") && specifier !== `@safeconduct/${home}`)
    return `imports ${specifier}: ${home} is installed alone`
  if (["tlog", "console"].includes(home) && !/^(\.|#|node:)/.test(specifier))
    return `imports ${specifier}: ${home} has no dependency`
  if (isFloor(specifier.slice(1))) return `imports ${specifier}: doors of rooms are the server's own`
  if (!specifier.startsWith(".") || !["tlog", "console", "sdk", "provider", "cli"].includes(home)) return null
  const target = resolveFrom(path, specifier)
  return target.startsWith(`${home}/`) ? null : `leaves its package for ${target}`
}

function isFloor(name: string): name is (typeof floors)[number] {
  return (floors as readonly string[]).includes(name)
}
