import { dirname, join, resolve } from "node:path"
import { apply, compare, parseDocument, type Rooms } from "#gate"
import { type EmbeddedPostgres, type Log, parseJson, prepareOwnDatabase, startPostgres } from "#kernel"
import { type Configuration, readConfiguration, type SettingName } from "./configuration.ts"
import { openPhones } from "./development/phone.ts"
import { resource } from "./development/resource.ts"
import { openStudio } from "./development/studio.ts"
import { placed, readDocument } from "./document.ts"
import { newKeyEncryptionKey, readOrCreate } from "./files.ts"
import { createLogKeyOnce } from "./log-key.ts"
import { migrateAll } from "./migrate.ts"
import { type Running, serve } from "./serve.ts"
import { watchFolders } from "./watch.ts"

/** What dev is told; everything else it makes itself. */
export type DevOptions = {
  /** Where keys, data and identities are kept between runs. */
  folder: string
  /** Settings beside the folder; ports may be 0. */
  flags?: Partial<Record<SettingName, string>>
  /** A safeconduct.yaml that is applied now and whenever it, or a policy beside it, changes. */
  document?: string
  log: Log
}

/** A server on its own embedded PostgreSQL, with keys made on the first run. For laptops; never for production. */
export type Dev = Running & {
  postgres: EmbeddedPostgres
  /** A single-use token for the first operator; absent once there is one. */
  operatorJoinToken?: string
}

/** Starts everything that a laptop needs. Stopping leaves the folder as it is: the next start goes on from there. */
export async function dev(options: DevOptions): Promise<Dev> {
  const folder = resolve(options.folder)
  const flags = { folder, ...options.flags }
  const first = readConfiguration(flags)
  readOrCreate(first.keyEncryptionKeyFile, newKeyEncryptionKey)
  await createLogKeyOnce(first)
  await using stack = new AsyncDisposableStack()
  const postgres = stack.use(await startPostgres({ folder: join(folder, "postgres"), log: options.log }))
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(postgres)
  const given = readConfiguration({ ...flags, databaseUrl: serverUrl, ownerUrl })
  const configuration = flags.issuer === undefined ? { ...given, issuer: byName(given) } : given
  await migrateAll(configuration)
  const around = { listeners: (rooms: Rooms) => openStudio(rooms, openPhones(rooms), options.log), routes: [resource] }
  const running = stack.use(await serve({ configuration, log: options.log, around }))
  if (options.document !== undefined) stack.use(await applyAndWatch(running, options.document, options.log))
  // A log that was altered grants nobody a token; it starts nevertheless, to be looked at.
  const bootstrap = running.rooms.audit.fork === null ? await running.rooms.agents.bootstrap() : null
  const owned = stack.move()
  return {
    ...running,
    webUrl: running.configuration.issuer,
    ...(bootstrap === null ? {} : { operatorJoinToken: bootstrap.token.reveal() }),
    postgres,
    stop: () => owned.disposeAsync(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/**
 * The public URL on a laptop: by name where it would be an address, because a passkey is for a domain (WebAuthn Level 3 §5.1.2, RP
 * ID), and `localhost` is one.
 */
function byName({ issuer }: Configuration): string {
  return issuer.replace(/^http:\/\/(127\.0\.0\.1|\[::1\])(?=:|$)/, "http://localhost")
}

/** Applies the document, or throws; then again whenever it changes. A broken file changes nothing, and says so. */
async function applyAndWatch(running: Running, path: string, log: Log): Promise<AsyncDisposable> {
  const applyNow = async () => {
    const document = readDocument(path)
    const files = [document.policies, document.schemas ?? [], document.entities ?? []].flat()
    const beside = files.map(({ file }) => dirname(resolve(dirname(path), file)))
    folders.keep(new Set([dirname(resolve(path)), ...beside]))
    try {
      const parsed = parseDocument(parseJson(JSON.stringify(document)))
      const { digest, lines } = compare(running.rooms, parsed)
      // Saved without a change, or another file: not a new version.
      if (digest !== null && lines.length === 0) return
      await apply(running.rooms, "server", parsed)
      log.info("applied", { file: path, changes: lines })
    } catch (error) {
      throw placed(error, path)
    }
  }
  let applying = Promise.resolve()
  const again = () => {
    applying = applying
      .then(applyNow)
      .catch((error: unknown) => log.error("not applied; the version in force stays", { error }))
  }
  const folders = watchFolders(again, log)
  await applyNow().catch((error: unknown) => {
    folders[Symbol.dispose]()
    throw error
  })
  return {
    async [Symbol.asyncDispose]() {
      folders[Symbol.dispose]()
      await applying
    },
  }
}
