import {
  type ApiRoute,
  type Application,
  byCertificate,
  byProof,
  createApplication,
  createLimiter,
  createPeers,
  type Identification,
  listenPlain,
  listenTls,
} from "#api"
import type { Rooms } from "#gate"
import type { Listener } from "#kernel"
import type { KeptIdentity } from "./identity.ts"
import type { Ports } from "./ports.ts"

/** Tries of enrolment, and of token requests by keys that were never seen, that one address has at once, and then each second. */
const TRIES = { burst: 50, perSecond: 5 }
/** Token requests of one enrolled key: an agent may act for many users at once. */
const TRIES_OF_KNOWN = { burst: 500, perSecond: 100 }

/** What the listeners stand on: `routes` are all there are, each listener serves its own. */
export type ListenersParts = {
  ports: Ports
  rooms: Rooms
  /** Null where the server has none, because the log cannot be written: agents are not answered then. */
  identity: KeptIdentity | null
  routes: readonly ApiRoute[]
  /** What stands around a listener's application; nothing unless told. */
  around?: { [Each in "web" | "ops"]?: (inner: Application) => Application } | undefined
}

/** Begins to answer at all three ports, or without an identity at two. Connections of agents that are stopped are closed from then on. */
export function openListeners({ ports, rooms, identity, routes, around }: ListenersParts): AsyncDisposable {
  const { agents, epoch, clock, log } = rooms
  const peers = createPeers({ agents, epoch, clock })
  agents.onStopped((names) => peers.closeAll(names))
  const limiter = createLimiter(clock, TRIES)
  const limits = { known: createLimiter(clock, TRIES_OF_KNOWN), strangers: limiter }
  const identifications: Partial<Record<Listener, Identification>> = {
    agents: byCertificate({ peers, tokens: rooms.sessions.verifyToken, limits }),
    web: byProof({ ...rooms, limits }),
  }
  const application = (listener: Listener) => {
    const identification = identifications[listener]
    return createApplication({ listener, routes, limiter, log, ...(identification && { identification }) })
  }
  const stack = new AsyncDisposableStack()
  if (identity !== null) {
    const tls = { identity: identity.current, roots: agents.roots() }
    const opened = stack.use(listenTls({ app: application("agents"), at: ports.agents, log, ...tls }))
    identity.onRenewed((renewed) => opened.setIdentity(renewed))
  }
  for (const listener of ["web", "ops"] as const) {
    const app = application(listener)
    stack.use(listenPlain({ app: around?.[listener]?.(app) ?? app, at: ports[listener], log }))
  }
  return stack
}
