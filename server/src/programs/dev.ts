import { watch } from "node:fs"
import { join, resolve } from "node:path"
import { apply, documentSchema } from "#gate"
import { type EmbeddedPostgres, type Log, parseJson, prepareOwnDatabase, startPostgres } from "#kernel"
import { type Configuration, readConfiguration, type SettingName } from "./configuration.ts"
import { readDocument } from "./document.ts"
import { newKeyEncryptionKey, readOrCreate } from "./files.ts"
import { createLogKeyOnce } from "./log-key.ts"
import { migrateAll } from "./migrate.ts"
import { type Running, serve } from "./serve.ts"

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
  configuration: Configuration
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
  const configuration = readConfiguration({ ...flags, databaseUrl: serverUrl, ownerUrl })
  await migrateAll(configuration)
  const running = stack.use(await serve({ configuration, log: options.log }))
  if (options.document !== undefined) stack.use(await applyAndWatch(running, options.document, options.log))
  const bootstrap = await running.rooms.agents.bootstrap()
  const owned = stack.move()
  return {
    ...running,
    ...(bootstrap === null ? {} : { operatorJoinToken: bootstrap.token.reveal() }),
    postgres,
    configuration,
    stop: () => owned.disposeAsync(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const SETTLE_MS = 150

async function applyAndWatch(running: Running, path: string, log: Log): Promise<Disposable> {
  const applyNow = async () => {
    const { lines } = await apply(
      running.rooms,
      "server",
      documentSchema.parse(parseJson(JSON.stringify(readDocument(path)))),
    )
    if (lines.length > 0) log.info("applied", { file: path, changes: lines })
  }
  await applyNow()
  let timer: NodeJS.Timeout | undefined
  const again = () => {
    clearTimeout(timer)
    // Editors write in several steps; a broken file changes nothing and says so.
    timer = setTimeout(
      () => applyNow().catch((error) => log.error("not applied; the old version stays", { error })),
      SETTLE_MS,
    )
  }
  const watcher = watch(resolve(path, ".."), { recursive: true }, (_event, name) => {
    if (name !== null && /\.(ya?ml|cedar)$/.test(name)) again()
  })
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      watcher.close()
    },
  }
}
