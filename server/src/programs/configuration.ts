import { join } from "node:path"
import { Refusal } from "#kernel"

/** Where a value came from: the strongest first. */
export type Origin = "flag" | "environment" | "default"

/** A setting of the process. What must hold for all servers is not here but in safeconduct.yaml, which `apply` puts in force. */
type Setting = {
  /** Environment variable. */
  variable: string
  /** Value when nobody says; may depend on what is known already. */
  fallback: (known: Record<string, string>) => string
  /** Throws `invalid-request` for a value that cannot work. */
  check?: (value: string, name: string) => void
  isSecret?: boolean
  summary: string
}

/** Every setting, in the order in which later ones may use earlier ones. */
export const settings = {
  folder: {
    variable: "SAFECONDUCT_FOLDER",
    fallback: () => ".safeconduct",
    summary: "Folder for keys, the embedded PostgreSQL and the operator's identity",
  },
  databaseUrl: {
    variable: "DATABASE_URL",
    fallback: () => "",
    isSecret: true,
    summary: "PostgreSQL 15 or newer, as the server's own role; empty starts the embedded one (dev only)",
  },
  ownerUrl: {
    variable: "SAFECONDUCT_OWNER_URL",
    fallback: () => "",
    isSecret: true,
    summary: "The same database as its owner; used by migrate and audit rotate only",
  },
  serverRole: {
    variable: "SAFECONDUCT_SERVER_ROLE",
    fallback: () => "safeconduct_server",
    check: checkRole,
    summary: "Role that migrate grants the server's rights to",
  },
  trustDomain: {
    variable: "SAFECONDUCT_TRUST_DOMAIN",
    fallback: () => "safeconduct.local",
    summary: "SPIFFE trust domain of every identity issued here",
  },
  agentsAddress: {
    variable: "SAFECONDUCT_AGENTS_ADDRESS",
    fallback: () => "127.0.0.1:7443",
    check: checkAddress,
    summary: "Where agents and operators connect (TLS 1.3, client certificates)",
  },
  webAddress: {
    variable: "SAFECONDUCT_WEB_ADDRESS",
    fallback: () => "127.0.0.1:7420",
    check: checkLoopback,
    summary: "Where keys, metadata and the public log are served, and agents by DPoP (plain HTTP, loopback only)",
  },
  opsAddress: {
    variable: "SAFECONDUCT_OPS_ADDRESS",
    fallback: () => "127.0.0.1:7421",
    check: checkLoopback,
    summary: "Where health and metrics are served (loopback only)",
  },
  agentsUrl: {
    variable: "SAFECONDUCT_AGENTS_URL",
    fallback: ({ agentsAddress }) => `https://${agentsAddress}`,
    check: checkAgentsUrl,
    summary: "How agents reach the agents' address from outside",
  },
  issuer: {
    variable: "SAFECONDUCT_ISSUER",
    fallback: ({ webAddress }) => `http://${webAddress}`,
    check: checkIssuer,
    summary: "Public URL of the web address: issuer of tokens (RFC 8414)",
  },
  logKeyFile: {
    variable: "SAFECONDUCT_LOG_KEY_FILE",
    fallback: ({ folder }) => join(folder!, "keys", "log.key"),
    summary: "Signing key of the log; its last signed tree is kept beside it",
  },
  keyEncryptionKeyFile: {
    variable: "SAFECONDUCT_KEK_FILE",
    fallback: ({ folder }) => join(folder!, "keys", "key-encryption.key"),
    summary: "Key that seals every secret in the database: 32 bytes, base64url",
  },
  journalFolder: {
    variable: "SAFECONDUCT_JOURNAL_FOLDER",
    fallback: ({ folder }) => join(folder!, "journal"),
    summary: "Folder that keeps what was taken away while the database could not be told, until it can",
  },
  logLevel: {
    variable: "SAFECONDUCT_LOG_LEVEL",
    fallback: () => "info",
    check: checkLevel,
    summary: "debug, info, warn or error",
  },
} as const satisfies Record<string, Setting>

/** Name of a setting, as flags and the configuration have it. */
export type SettingName = keyof typeof settings

/** Values and, for `config explain`, where each came from. */
export type Configuration = { [Name in SettingName]: string } & { origins: { [Name in SettingName]: Origin } }

/**
 * Reads the configuration: flag, then environment, then default. Throws `invalid-request` naming the setting that cannot
 * work, and for a variable `SAFECONDUCT_…` that no setting reads, because a misspelt one would be silently ignored.
 */
export function readConfiguration(
  flags: Partial<Record<SettingName, string>> = {},
  environment: Record<string, string | undefined> = process.env,
): Configuration {
  refuseUnknown(environment)
  const values: Record<string, string> = {}
  const origins: Record<string, Origin> = {}
  for (const [name, setting] of Object.entries(settings) as [SettingName, Setting][]) {
    const given = flags[name]
    const set = environment[setting.variable]
    values[name] = given ?? (set || setting.fallback(values))
    origins[name] = given !== undefined ? "flag" : set ? "environment" : "default"
    setting.check?.(values[name], setting.variable)
  }
  return { ...values, origins } as Configuration
}

/** A setting as text that may be shown: a URL without its password and without parameters, which may hold one. */
export function shown(name: SettingName, value: string): string {
  const setting: Setting = settings[name]
  if (setting.isSecret !== true || value === "") return value
  try {
    const url = new URL(value)
    if (url.password !== "") url.password = "***"
    if (url.search !== "") url.search = "***"
    return url.href
  } catch {
    return "***"
  }
}

/** Variables that other programs of ours read: the SDK and the CLI. */
const OTHERS = new Set([
  "SAFECONDUCT_URL",
  "SAFECONDUCT_WEB_URL",
  "SAFECONDUCT_IDENTITY",
  "SAFECONDUCT_JOIN_TOKEN",
  "SAFECONDUCT_JOIN_TOKEN_FILE",
  "SAFECONDUCT_HOME",
])

function refuseUnknown(environment: Record<string, string | undefined>): void {
  const known = new Set<string>(Object.values(settings).map(({ variable }) => variable))
  for (const name of Object.keys(environment)) {
    if (name.startsWith("SAFECONDUCT_") && !known.has(name) && !OTHERS.has(name)) {
      throw new Refusal("invalid-request", `${name} is no setting of Safeconduct; see "safeconduct config explain".`)
    }
  }
}

/** Host and port of a checked address; an IPv6 host without its brackets. */
export function parseAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":")
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) }
}

/** The address that parseAddress() reads, as URLs hold it. */
export function addressOf({ host, port }: { host: string; port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`
}

function checkAddress(value: string, name: string): void {
  const isWritten = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(value)
  if (isWritten && parseAddress(value).port <= 65_535) return
  throw new Refusal("invalid-request", `${name} must be host:port, such as 127.0.0.1:7443; it is "${value}".`)
}

function checkLoopback(value: string, name: string): void {
  checkAddress(value, name)
  const { host } = parseAddress(value)
  if (isLoopback(host)) return
  throw new Refusal("invalid-request", `${name} is served without TLS, so it must be a loopback address, not ${host}.`)
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function checkAgentsUrl(value: string, name: string): void {
  const { protocol, hostname } = checkOrigin(value, name)
  if (protocol !== "https:") throw new Refusal("invalid-request", `${name} must be an https URL; it is "${value}".`)
  if (!["0.0.0.0", "[::]"].includes(hostname)) return
  throw new Refusal("invalid-request", `${name} must say how agents reach this server; nobody connects to ${hostname}.`)
}

/** RFC 8414 §2: https; plain http only where nobody else can listen. */
function checkIssuer(value: string, name: string): void {
  const { protocol, hostname } = checkOrigin(value, name)
  if (protocol === "https:" || isLoopback(hostname.replace(/^\[|\]$/g, ""))) return
  throw new Refusal("invalid-request", `${name} must be an https URL, or one of this machine; it is "${value}".`)
}

/** A URL of nothing but scheme, host and port: paths of ours begin at its root. */
function checkOrigin(value: string, name: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  const isBare = url !== null && `${url.pathname}${url.search}${url.hash}${url.username}${url.password}` === "/"
  if (isBare && /^https?:$/.test(url.protocol)) return url
  throw new Refusal("invalid-request", `${name} must be a URL such as https://host:port; it is "${value}".`)
}

function checkRole(value: string, name: string): void {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(value)) return
  throw new Refusal("invalid-request", `${name} must be a plain role name; it is "${value}".`)
}

function checkLevel(value: string, name: string): void {
  if (["debug", "info", "warn", "error"].includes(value)) return
  throw new Refusal("invalid-request", `${name} must be debug, info, warn or error; it is "${value}".`)
}
