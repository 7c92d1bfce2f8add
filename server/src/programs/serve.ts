import { routes as agentsRoutes, openAgents } from "#agents"
import { type ApiRoute, frontRoute, healthRoutes } from "#api"
import { channelRoutes, openApprovals, peopleRoutes } from "#approvals"
import { routes as auditRoutes, type LogSigner, openAudit, readLogNumber } from "#audit"
import { routes as credentialsRoutes, type EngineKind, engines, openCredentials, timed } from "#credentials"
import {
  createOwed,
  routes as gateRoutes,
  type Keys,
  keyRoutes,
  makingOperators,
  type Rooms,
  startAsking,
  startEntering,
  startPings,
  startSweep,
} from "#gate"
import {
  announceServer,
  type Clock,
  type Database,
  type Log,
  openDatabase,
  openJournal,
  openKeptKeyring,
  Refusal,
  requireSchemas,
  systemClock,
  watchEpoch,
} from "#kernel"
import { openPolicy, routes as policyRoutes } from "#policy"
import { openSessions, routes as sessionsRoutes } from "#sessions"
import type { Configuration } from "./configuration.ts"
import { readKeyEncryptionKeys } from "./files.ts"
import { keepIdentity } from "./identity.ts"
import { type ListenersParts, openListeners } from "./listeners.ts"
import { openLogKey } from "./log-key.ts"
import { takePorts, withPorts } from "./ports.ts"
import { readinessChecks } from "./readiness.ts"
import { readingsOf } from "./readings.ts"
import { allEvents, allMigrations } from "./rooms.ts"
import { requireDurable, requireVersion } from "./store.ts"

/** What serve needs: where everything is, and where to log. `around` is for programs that test. */
export type ServeOptions = { configuration: Configuration; log: Log; around?: Around }

/** Stands around the parts through which a server touches the world, so that a test can stop it at any of their calls. */
export type Around = {
  database?: (database: Database) => Database
  engine?: (kind: EngineKind) => EngineKind
  signer?: (signer: LogSigner) => LogSigner
  /** Changes that share a transaction of the log at most: with one, whatever a transaction holds is of one request. */
  maxUnits?: number
  clock?: Clock
  /** For `dev`: what stands around the listeners for browsers and for whoever runs it. */
  listeners?: (rooms: Rooms) => ListenersParts["around"]
  /** For `dev`: routes that no other program has. */
  routes?: readonly ApiRoute[]
}

/** A server that runs until it is stopped. */
export interface Running extends AsyncDisposable {
  agentsUrl: string
  webUrl: string
  opsUrl: string
  trustDomain: string
  /** Public key of the log, as C2SP signed-note writes it. */
  logKey: string
  /** As it runs: with the ports that the system chose where 0 was asked for. */
  configuration: Configuration
  rooms: Rooms
  stop(): Promise<void>
}

/**
 * Starts a server on a migrated database. Throws `invalid-request` without a database's URL, `not-ready` when migrations
 * are pending or too new, PostgreSQL is too old or an address is taken, `key-unusable` for a missing or wrong key, `store-unavailable`; and refuses to run
 * as the database's owner or a superuser. Whatever it opened before it throws is closed again. On a log that was altered it
 * starts, does not answer agents, and takes away what ends.
 */
export async function serve({ configuration: given, log, around = {} }: ServeOptions): Promise<Running> {
  if (given.databaseUrl === "") throw noDatabase()
  await using stack = new AsyncDisposableStack()
  const ports = stack.use(await takePorts(given))
  const configuration = withPorts(given, ports)
  const { trustDomain, issuer, agentsUrl } = configuration
  const opened = stack.use(openDatabase({ url: configuration.databaseUrl, log }))
  const database = around.database?.(opened) ?? opened
  await requireVersion(database)
  await requireDurable(database)
  await requireSchemas(database, allMigrations)
  const path = configuration.keyEncryptionKeyFile
  const keyring = await openKeptKeyring({ database, path, read: () => readKeyEncryptionKeys(path) })
  const fileSigner = await openLogKey(configuration, await readLogNumber(database))
  const signer = around.signer?.(fileSigner) ?? fileSigner
  const clock = around.clock ?? systemClock
  const journal = await openJournal({ folder: configuration.journalFolder, clock, log })
  const kinds = engines.map((kind) => timed(around.engine?.(kind) ?? kind))
  const epoch = stack.use(await watchEpoch({ database, log, clock }))
  const common = { database, epoch, keyring, clock, log }
  const { maxUnits } = around
  const audit = stack.use(await openAudit({ ...common, signer, origin: signer.origin, events: allEvents, maxUnits }))
  const parts = { ...common, audit }
  const agents = stack.use(await openAgents({ ...parts, trustDomain }))
  const sessions = stack.use(await openSessions({ ...parts, issuer, mtlsUrl: agentsUrl }))
  const policy = await openPolicy(parts)
  const approvals = stack.use(await openApprovals({ ...parts, issuer }))
  const credentials = stack.use(await openCredentials({ ...parts, engines: kinds, journal: journal.write }))
  const open = { audit, agents, sessions, policy, approvals, credentials, epoch, clock, log }
  const rooms: Rooms = { ...open, owed: createOwed({ ...open, journal }) }
  // Before anybody is answered: what was commanded here while the database was gone holds, carried out or not.
  await rooms.owed.enter().catch((error: unknown) => log.error("the journal could not be entered yet", { error }))
  stack.use(startEntering(rooms))
  stack.use(startSweep(rooms))
  stack.use(startAsking(rooms))
  stack.use(startPings(rooms))
  const reload = async () => {
    await keyring.reload()
    await audit.keys.reload()
  }
  stack.use(await announceServer({ database, epoch, log, keyring, logKeys: signer.held, reload }))
  // An SVID is given, even to ourselves: on a log that cannot be written this server only takes away, and says so at ops.
  const identity = audit.fork === null ? stack.use(await keepIdentity(agents, configuration, log)) : null
  if (identity === null) await ports.agents[Symbol.asyncDispose]()
  const checks = readinessChecks({ database, journal, rooms, identity })
  const readings = readingsOf({ database: opened, journal, rooms })
  const health = healthRoutes(checks, readings) as ApiRoute[]
  const routes = [...allRoutes(rooms, { database, keyring }), ...health, ...(around.routes ?? [])]
  stack.use(openListeners({ ports, rooms, identity, routes, around: around.listeners?.(rooms) }))
  const owned = stack.move()
  return {
    agentsUrl,
    webUrl: `http://${configuration.webAddress}`,
    opsUrl: `http://${configuration.opsAddress}`,
    trustDomain,
    logKey: audit.vkey,
    configuration,
    rooms,
    stop: () => owned.disposeAsync(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Every route of every room, for the listeners and for contract/. */
export function allRoutes(rooms: Rooms, keys: Keys): readonly ApiRoute[] {
  const routes = [
    ...agentsRoutes(rooms.agents, () => makingOperators(rooms)),
    ...sessionsRoutes(rooms.sessions),
    ...gateRoutes(rooms),
    ...credentialsRoutes(rooms.credentials),
    ...policyRoutes(rooms.policy),
    ...channelRoutes(rooms.approvals.channels),
    ...peopleRoutes(rooms.approvals.people),
    ...auditRoutes(rooms.audit),
    ...keyRoutes(rooms, keys),
  ] as readonly ApiRoute[]
  return [...routes, frontRoute(routes) as ApiRoute]
}

function noDatabase(): Refusal {
  const what = "There is no database: set DATABASE_URL to PostgreSQL 15 or newer, as the server's own role."
  return new Refusal("invalid-request", `${what} "safeconduct dev" starts one of its own.`)
}
