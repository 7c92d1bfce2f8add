import { routes as agentsRoutes, openAgents, type Principal } from "#agents"
import {
  type ApiRoute,
  type Check,
  createApplication,
  createLimiter,
  createPeers,
  healthRoutes,
  listenPlain,
  listenTls,
} from "#api"
import { routes as auditRoutes, openAudit, openFileSigner } from "#audit"
import { routes as credentialsRoutes, engines, openCredentials } from "#credentials"
import { routes as gateRoutes, type Rooms, startSweep } from "#gate"
import {
  type Database,
  type Log,
  listKeys,
  openDatabase,
  openKeyring,
  pendingMigrations,
  Refusal,
  route,
  systemClock,
  watchEpoch,
} from "#kernel"
import { openPolicy, routes as policyRoutes } from "#policy"
import { openSessions, routes as sessionsRoutes } from "#sessions"
import { type Configuration, parseAddress } from "./configuration.ts"
import { readKeyEncryptionKey } from "./files.ts"
import { keepIdentity } from "./identity.ts"
import { logOrigin } from "./log-key.ts"
import { readinessChecks } from "./readiness.ts"
import { allEvents, allMigrations } from "./rooms.ts"

/** What serve needs: where everything is, and where to log. */
export type ServeOptions = { configuration: Configuration; log: Log }

/** A server that runs until it is stopped. */
export interface Running extends AsyncDisposable {
  agentsUrl: string
  webUrl: string
  opsUrl: string
  trustDomain: string
  /** Public key of the log, as C2SP signed-note writes it. */
  logKey: string
  rooms: Rooms
  stop(): Promise<void>
}

/**
 * Starts a server on a migrated database. Throws `not-ready` when migrations are pending, `key-unusable` for a missing or
 * wrong key, `store-unavailable`; and refuses to run as the database's owner or a superuser.
 */
export async function serve({ configuration, log }: ServeOptions): Promise<Running> {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(openDatabase({ url: configuration.databaseUrl, log }))
  await refusePending(database)
  const keyring = openKeyring(readKeyEncryptionKey(configuration.keyEncryptionKeyFile))
  const signer = await openFileSigner(configuration.logKeyFile, logOrigin(configuration))
  const epoch = stack.use(await watchEpoch({ database, log }))
  const common = { database, epoch, keyring, clock: systemClock, log }
  const audit = stack.use(await openAudit({ ...common, signer, origin: signer.origin, events: allEvents }))
  const parts = { ...common, audit }
  const agents = stack.use(await openAgents({ ...parts, trustDomain: configuration.trustDomain }))
  const issuer = configuration.issuer
  const sessions = stack.use(await openSessions({ ...parts, issuer, mtlsUrl: configuration.agentsUrl }))
  const policy = await openPolicy(parts)
  const credentials = stack.use(await openCredentials({ ...parts, engines }))
  const rooms: Rooms = { audit, agents, sessions, policy, credentials, epoch, clock: systemClock, log }
  stack.use(startSweep(rooms))

  const peers = createPeers({ agents, epoch, clock: systemClock })
  agents.onStopped((names) => peers.closeAll(names))
  const listeners = stack.use(
    await openListeners({ configuration, log, rooms, peers, checks: readinessChecks({ database, rooms }), database }),
  )
  const owned = stack.move()
  return {
    ...listeners.urls,
    trustDomain: configuration.trustDomain,
    logKey: signer.vkey,
    rooms,
    stop: () => owned.disposeAsync(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Every route of every room, for the listeners and for contract/. */
export function allRoutes(rooms: Rooms, database: Database): readonly ApiRoute[] {
  return [
    ...agentsRoutes(rooms.agents),
    ...sessionsRoutes(rooms.sessions),
    ...gateRoutes(rooms),
    ...credentialsRoutes(rooms.credentials),
    ...policyRoutes(rooms.policy),
    ...auditRoutes(rooms.audit),
    keysRoute(database),
  ] as readonly ApiRoute[]
}

type ListenerParts = {
  configuration: Configuration
  log: Log
  rooms: Rooms
  peers: ReturnType<typeof createPeers>
  checks: readonly Check[]
  database: Database
}

async function openListeners({ configuration, log, rooms, peers, checks, database }: ListenerParts) {
  await using stack = new AsyncDisposableStack()
  const routes = [...allRoutes(rooms, database), ...(healthRoutes(checks) as ApiRoute[])]
  const limiter = createLimiter(systemClock, { burst: 50, perSecond: 5 })
  const application = (listener: "agents" | "web" | "ops") =>
    createApplication({ listener, routes, limiter, log, ...(listener === "agents" ? { peers } : {}) })
  const identity = stack.use(await keepIdentity(rooms.agents, configuration, log))
  const roots = rooms.agents.roots()
  const [agentsAt, webAt, opsAt] = [
    configuration.agentsAddress,
    configuration.webAddress,
    configuration.opsAddress,
  ].map(parseAddress)
  const agents = stack.use(await listenTls(application("agents"), agentsAt!, identity.current, roots, log))
  identity.onRenewed((renewed) => agents.setIdentity?.(renewed))
  const web = stack.use(await listenPlain(application("web"), webAt!, log))
  const ops = stack.use(await listenPlain(application("ops"), opsAt!, log))
  const owned = stack.move()
  return {
    urls: {
      agentsUrl: portOf(configuration.agentsUrl, agents.port),
      webUrl: `http://${web.host}:${web.port}`,
      opsUrl: `http://${ops.host}:${ops.port}`,
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A URL configured with port 0 names the port that the system chose. */
function portOf(url: string, port: number): string {
  return url.replace(/:0(?=\/|$)/, `:${port}`)
}

async function refusePending(database: Database): Promise<void> {
  const pending = await pendingMigrations(database, allMigrations)
  if (pending.length === 0) return
  throw new Refusal("not-ready", `The database lacks ${pending.length} migrations; run "safeconduct migrate" first.`)
}

function keysRoute(database: Database): ApiRoute {
  return route<Principal | null, undefined>({
    method: "GET",
    path: "/v1/keys",
    listeners: ["agents"],
    right: "read-keys",
    events: null,
    summary: "Signing keys: what each signs, and since when; never the key",
    handle: async () => ({
      keys: (await listKeys(database)).map(({ kid, use, activeFrom, retiredAt }) => ({
        kid,
        use,
        activeFrom,
        retiredAt,
      })),
    }),
  })
}
