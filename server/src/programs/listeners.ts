import {
  type ApiRoute,
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

/** Tries of enrolment and of token requests that one address, or at the web listener one key, has at once, and then each second. */
const TRIES = { burst: 50, perSecond: 5 }

/** What the listeners stand on: `routes` are all there are, each listener serves its own. */
export type ListenersParts = {
  ports: Ports
  rooms: Rooms
  /** Null where the server has none, because the log cannot be written: agents are not answered then. */
  identity: KeptIdentity | null
  routes: readonly ApiRoute[]
}

/** Begins to answer at all three ports, or without an identity at two. Connections of agents that are stopped are closed from then on. */
export function openListeners({ ports, rooms, identity, routes }: ListenersParts): AsyncDisposable {
  const { agents, epoch, clock, log } = rooms
  const peers = createPeers({ agents, epoch, clock })
  agents.onStopped((names) => peers.closeAll(names))
  const limiter = createLimiter(clock, TRIES)
  const identifications: Partial<Record<Listener, Identification>> = {
    agents: byCertificate({ peers, tokens: rooms.sessions.verifyToken }),
    web: byProof({ ...rooms, limiter }),
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
  stack.use(listenPlain({ app: application("web"), at: ports.web, log }))
  stack.use(listenPlain({ app: application("ops"), at: ports.ops, log }))
  return stack
}
