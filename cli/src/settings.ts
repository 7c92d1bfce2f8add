import type { Command } from "commander"

/**
 * Settings of the server that are also flags, as `--kebab-case`. Secrets are not among them: DATABASE_URL and
 * SAFECONDUCT_OWNER_URL come by environment. A test compares with the server's own list.
 */
export const flagSettings = {
  folder: "folder for keys, the embedded PostgreSQL and the operator's identity",
  serverRole: "role that migrate grants the server's rights to",
  trustDomain: "SPIFFE trust domain of every identity issued here",
  agentsAddress: "where agents and operators connect, host:port",
  webAddress: "where keys, metadata and the public log are served, host:port on loopback",
  opsAddress: "where health and metrics are served, host:port on loopback",
  agentsUrl: "how agents reach the agents' address from outside",
  issuer: "public URL of the web address: issuer of tokens",
  logKeyFile: "signing key of the log",
  keyEncryptionKeyFile: "key that seals every secret in the database",
  journalFolder: "where it is written down what was taken away while the database was gone",
  logLevel: "debug, info, warn or error",
} as const

/** Name of such a setting. */
export type FlagSetting = keyof typeof flagSettings

/** Adds the flags to a command. */
export function withSettings(command: Command): Command {
  for (const [name, summary] of Object.entries(flagSettings)) command.option(`--${kebab(name)} <value>`, summary)
  return command
}

/** The settings that were given as flags. */
export function givenSettings(command: Command): Partial<Record<FlagSetting, string>> {
  const given = command.opts<Partial<Record<FlagSetting, string>>>()
  const names = Object.keys(flagSettings) as FlagSetting[]
  return Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]))
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
