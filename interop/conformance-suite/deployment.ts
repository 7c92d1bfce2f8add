import { join } from "node:path"
import { connect, type Identity } from "@safeconduct/sdk"
import { createLog, dev, removePostgres } from "@safeconduct/server/programs"
import { exportJWK, type JWK } from "jose"
import { openIssuer } from "../../bench/issuer.ts"
import { apply, parseDocument } from "../../server/src/gate/index.ts"
import { openBalancer } from "../../stories/fixtures/balancer.ts"

/** A client of the suite's: its key, and the certificate that it shows. */
export type SuiteClient = {
  client_id: string
  jwks: { keys: JWK[] }
  scope: string
  hint_type: "login_hint"
  hint_value: string
}

/** PEM. */
export type SuiteCertificate = { cert: string; key: string; ca: string }

/** The JSON of a test plan `fapi-ciba-id1-test-plan` with plain_fapi, static_client and mtls. */
export type SuiteConfiguration = {
  alias: string
  description: string
  server: { discoveryUrl: string }
  client: SuiteClient
  mtls: SuiteCertificate
  client2: SuiteClient
  mtls2: SuiteCertificate
  resource: { resourceUrl: string }
  automated_ciba_approval_url: string
}

/** `dev` behind TLS, with two clients that work for one person, and what the suite is to be told of it. */
export type SuiteDeployment = AsyncDisposable & { configuration: SuiteConfiguration }

/** Where each client is pinged; null for one that polls. */
export type Endpoints = readonly [string | null, string | null]

/** Whom both act for; `/dev/approver` plays her unless told. */
const PERSON = "alice"
const NAMES = ["conformance-1", "conformance-2"] as const
/** Who hands the person's ID token on to both. */
const APPLICATION = "conformance-application"
/** What both are registered to ask for: the suite sends no authorization_details. */
const STANDARD = {
  ...{ type: "safeconduct_one_action", actions: ["tool:confirm"], locations: ["conformance"] },
  arguments: { what: "What the conformance suite asks" },
}

/** Starts it in a folder of its own, which goes with it. */
export async function openSuiteDeployment(
  folder: string,
  { endpoints, alias = "safeconduct" }: { endpoints: Endpoints; alias?: string },
): Promise<SuiteDeployment> {
  await using stack = new AsyncDisposableStack()
  const balancer = stack.use(await openBalancer({ minVersion: "TLSv1.3" }))
  const provider = stack.use(await openIssuer(APPLICATION))
  stack.defer(() => removePostgres(join(folder, "postgres")))
  const flags = {
    ...{ agentsAddress: "127.0.0.1:0", webAddress: "127.0.0.1:0", opsAddress: "127.0.0.1:0" },
    ...{ agentsUrl: "https://127.0.0.1:0", issuer: balancer.url },
  }
  const server = stack.use(await dev({ folder, flags, log: createLog({ level: "error" }) }))
  const { rooms, configuration } = server
  balancer.lead({ webUrl: `http://${configuration.webAddress}` })
  await apply(rooms, "server", parseDocument(documentOf(provider.issuer, endpoints)))

  const identities: Identity[] = []
  for (const name of NAMES) {
    const { token } = await rooms.agents.createJoinToken({ kind: "agent", name }, "server")
    const joining = { url: server.agentsUrl, joinToken: token.reveal(), folder: join(folder, name) }
    const agent = stack.use(await connect({ ...joining, onProblem: () => undefined }))
    const subjectToken = await provider.idToken(PERSON, name)
    await agent.exchange({ purpose: "conformance", subjectToken })
    identities.push(agent.identity)
  }
  // The suite has one hint for both clients: whom each has one open session for.
  const { id: hint } = (await rooms.sessions.findUser({ iss: provider.issuer, sub: PERSON }))!
  const clientOf = async (identity: Identity): Promise<SuiteClient> => ({
    client_id: identity.spiffeId,
    jwks: { keys: [{ ...(await exportJWK(identity.privateKey)), kid: "suite", alg: "ES256", use: "sig" }] },
    // One module wants two scopes; here is one.
    scope: "openid openid",
    hint_type: "login_hint",
    hint_value: hint,
  })
  const [one, two] = identities as [Identity, Identity]
  const owned = stack.move()
  return {
    configuration: {
      alias,
      description: "Safeconduct, FAPI-CIBA over mutual TLS",
      server: { discoveryUrl: `${balancer.url}/.well-known/openid-configuration` },
      client: await clientOf(one),
      mtls: certificateOf(one),
      client2: await clientOf(two),
      mtls2: certificateOf(two),
      resource: { resourceUrl: `${server.agentsUrl}/dev/resource` },
      automated_ciba_approval_url: `${server.opsUrl}/dev/approver?auth_req_id={auth_req_id}&action={action}`,
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function certificateOf({ svid, bundle, privateKey }: Identity): SuiteCertificate {
  return { cert: svid, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), ca: bundle }
}

function documentOf(issuer: string, endpoints: Endpoints): object {
  const may = [{ type: "safeconduct_action", actions: STANDARD.actions, locations: STANDARD.locations }]
  const agentOf = (endpoint: string | null) => ({
    owner: "conformance@example.org",
    purposes: ["conformance"],
    ceiling: may,
    backchannel: {
      ...{ signed: "required", defaultAuthorizationDetails: [STANDARD] },
      ...(endpoint !== null && { delivery: "ping", notificationEndpoint: endpoint, network: "loopback" }),
    },
  })
  const agents = { [NAMES[0]]: agentOf(endpoints[0]), [NAMES[1]]: agentOf(endpoints[1]) }
  const day = { lifetimeSeconds: 86_400, hardEndSeconds: 86_400, idleSeconds: 86_400 }
  return {
    providers: {
      people: {
        ...{ issuer, network: "loopback", clientId: "safeconduct" },
        delegatedTokens: { agents: Object.fromEntries(NAMES.map((name) => [name, name])) },
      },
    },
    applications: {
      [APPLICATION]: {
        ...{ description: "Stands for whoever uses the two clients", agents: [...NAMES] },
        providers: { people: [APPLICATION] },
      },
    },
    purposes: { conformance: { description: "Be looked at", actions: may, session: day } },
    resources: { conformance: { engine: "tools", operations: { confirm: {} } } },
    agents,
    policies: [
      {
        file: "conformance.cedar",
        text: `@id("all") permit (principal, action, resource);
          @id("sign") @ask("user") forbid (principal, action, resource) unless { context.approved };`,
      },
    ],
    approvals: {
      // What a module leaves waiting, the next one joins: not for long.
      expirySeconds: 60,
      pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000, denialsToCoolOff: 100 },
    },
  }
}
