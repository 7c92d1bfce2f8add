import {
  type Authorization,
  type AuthorizationRequest,
  askUser,
  type ExchangeRequest,
  exchangeToken,
} from "./delegated.ts"
import { enrol } from "./enrol.ts"
import { SafeconductError } from "./errors.ts"
import { type Identity, loadIdentity, peerOf } from "./identity.ts"
import { isBeyondRenewal, keepIdentity, type OnProblem } from "./renewal.ts"
import { type Keeping, openSession, reopenSession, type Session, type SessionRequest } from "./session.ts"
import { openTransport, type Transport } from "./transport.ts"
import { openWebTransport } from "./web-transport.ts"

/** Where the server is and who we are. What is absent comes from the environment. */
export type ConnectOptions = {
  /** SAFECONDUCT_URL: the agents' listener. Needed on the first start only; kept with the identity. */
  url?: string
  /**
   * SAFECONDUCT_WEB_URL: the server's public URL. With it everything but enrolment goes there, by tokens with DPoP proofs
   * (RFC 9449): for agents whose connections something in between ends, such as a load balancer.
   */
  webUrl?: string
  /** Roots for that URL, PEM; this machine's own, and those of NODE_EXTRA_CA_CERTS, unless told. */
  webCa?: string
  /** SAFECONDUCT_IDENTITY: folder of the identity; `.safeconduct/agent` unless told. */
  folder?: string
  /** SAFECONDUCT_JOIN_TOKEN: used when the folder holds no identity that can still be renewed. */
  joinToken?: string
  /** Told of everything that fails in the background; a process warning unless told. */
  onProblem?: OnProblem
}

/** This agent at its server. Its SVID renews itself. */
export interface Safeconduct extends AsyncDisposable {
  readonly spiffeId: string
  readonly instance: string
  readonly identity: Identity
  readonly transport: Transport
  /** Opens a session for a purpose. Throws `purpose-not-allowed`, `purpose-unknown`, and what the transport throws. */
  open(request: SessionRequest): Promise<Session>
  /** Takes the session that another agent offers to this one, by its `session.delegate()`. */
  open(offer: { delegation: string }): Promise<Session>
  /** Asks a user to delegate: send them to `url`, and redeem what they are sent back with. */
  ask(request: AuthorizationRequest): Promise<Authorization>
  /**
   * Opens a session for a user whose token an application holds. Throws `consent-required` when they have not agreed to that
   * before; then `ask()` them.
   */
  exchange(request: ExchangeRequest): Promise<Session>
  /**
   * Takes up a session that this instance opened before a restart, such as that of a `PendingHandle`. Throws `session-ended`,
   * `session-unknown`, `session-idle`.
   */
  reopen(session: string): Promise<Session>
  /** Ends every open session and closes the connections. */
  close(): Promise<void>
}

/**
 * Loads this agent's identity, or enrols with the join token on the first start, and keeps the SVID renewed. Throws
 * `identity-missing`, `identity-broken`, `svid-expired`, and what enrol() throws.
 */
export async function connect(options: ConnectOptions = {}): Promise<Safeconduct> {
  const onProblem = options.onProblem ?? warn
  let identity = await findIdentity(options)
  const transport = transportFor(identity, options)
  const sessions = new Set<Session>()
  const renewal = keepIdentity({
    identity,
    transport,
    onProblem,
    onRenewed(renewed) {
      identity = renewed
    },
  })
  const keeping: Keeping & { clientId: string } = {
    transport,
    onProblem,
    clientId: identity.spiffeId,
    onOver: (session) => sessions.delete(session),
  }
  const held = (session: Session) => {
    if (!session.signal.aborted) sessions.add(session)
    return session
  }
  const close = async () => {
    await Promise.all([...sessions].map((session) => session.end().catch(onProblem)))
    renewal[Symbol.dispose]()
    transport[Symbol.dispose]()
  }
  return {
    spiffeId: identity.spiffeId,
    instance: identity.instance,
    get identity() {
      return identity
    },
    transport,
    open: async (request: SessionRequest | { delegation: string }) => held(await openSession(keeping, request)),
    async ask(request) {
      const asked = await askUser(keeping, request)
      return { ...asked, redeem: async (callback) => held(await asked.redeem(callback)) }
    },
    exchange: async (request) => held(await exchangeToken(keeping, request)),
    reopen: async (session) => held(await reopenSession(keeping, session)),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function transportFor(identity: Identity, { webUrl, webCa }: ConnectOptions): Transport {
  const url = webUrl ?? process.env["SAFECONDUCT_WEB_URL"]
  if (!url) return openTransport(peerOf(identity))
  return openWebTransport({ url, identity, ...(webCa !== undefined && { ca: webCa }) })
}

async function findIdentity(options: ConnectOptions): Promise<Identity> {
  const folder = options.folder ?? (process.env["SAFECONDUCT_IDENTITY"] || ".safeconduct/agent")
  const url = options.url ?? process.env["SAFECONDUCT_URL"]
  const joinToken = options.joinToken ?? process.env["SAFECONDUCT_JOIN_TOKEN"]
  const found = await loadIdentity(folder)
  if (found !== null && !isBeyondRenewal(found, Date.now())) {
    return url ? { ...found, url: new URL(url).origin } : found
  }
  if (!url || !joinToken) {
    if (found !== null) {
      const message = `The SVID in ${folder} expired more than 24 hours ago. Set SAFECONDUCT_JOIN_TOKEN to a new join token.`
      throw new SafeconductError("svid-expired", message)
    }
    const message = `There is no identity in ${folder}. Set SAFECONDUCT_URL and SAFECONDUCT_JOIN_TOKEN for the first start.`
    throw new SafeconductError("identity-missing", message)
  }
  return await enrol({ url, joinToken, folder })
}

function warn(problem: SafeconductError): void {
  process.emitWarning(problem.message, { type: "SafeconductWarning", code: problem.code })
}
