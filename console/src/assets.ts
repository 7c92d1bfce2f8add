import { createHash } from "node:crypto"
import { iconPng, iconSvg } from "./icon.ts"
import { readModule } from "./modules.ts"

/** A file that browsers load. */
export type Asset = {
  type: string
  body: Uint8Array<ArrayBuffer>
  /** Its path changes whenever it does. */
  isImmutable: boolean
}

/** Scripts that pages load, by what they are for. */
const entries = ["approve", "inbox", "enrol", "notifications"] as const
/** What those import. */
const modules = [...entries, "bytes", "merkle", "shown", "page", "passkey", "follow"] as const

const SCRIPT = "text/javascript; charset=utf-8"

const scripts = new Map(modules.map((name) => [`${name}.js`, file(SCRIPT, readModule(name), true)]))
const icons = new Map([
  ["icon.svg", file("image/svg+xml; charset=utf-8", iconSvg, true)],
  ...[192, 512].map(
    (size) => [`icon-${size}.png`, { type: "image/png", body: iconPng(size), isImmutable: true }] as const,
  ),
])
const versioned = new Map([...scripts, ...icons])
/** One for all of them: a script imports those that it was made with. */
const version = digestOf([...versioned].map(([name, { body }]) => [name, digestOf(body)].join(" ")).join("\n"))

/** Where the manifest is, that makes the pages an application on a phone. */
export const manifestPath = "/phone.webmanifest"
/** Where the service worker is: it serves every page, so it stands above them. */
export const workerPath = "/sw.js"

/** The path of a script. */
export function scriptPath(name: (typeof entries)[number]): string {
  return pathOf(`${name}.js`)
}

/** Everything that browsers load, by its path. */
export function assets(): ReadonlyMap<string, Asset> {
  return all
}

const all: ReadonlyMap<string, Asset> = new Map([
  ...[...versioned].map(([name, asset]) => [pathOf(name), asset] as const),
  [workerPath, file(SCRIPT, readModule("worker"), false)],
  [manifestPath, file("application/manifest+json", JSON.stringify(manifest()), false)],
])

/** W3C Application Manifest. */
function manifest() {
  return {
    id: "/approvals",
    name: "Safeconduct",
    short_name: "Safeconduct",
    description: "What agents ask of you, and what they do for you",
    start_url: "/approvals",
    scope: "/",
    display: "standalone",
    background_color: "#f3f5f2",
    theme_color: "#17634a",
    icons: [
      { src: pathOf("icon.svg"), sizes: "any", type: "image/svg+xml" },
      { src: pathOf("icon-192.png"), sizes: "192x192", type: "image/png", purpose: "any" },
      { src: pathOf("icon-512.png"), sizes: "512x512", type: "image/png", purpose: "any maskable" },
    ],
  }
}

function pathOf(name: string): string {
  return `/assets/${version}/${name}`
}

function file(type: string, text: string, isImmutable: boolean): Asset {
  return { type, body: new TextEncoder().encode(text), isImmutable }
}

function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64url").slice(0, 16)
}
