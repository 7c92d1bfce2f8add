import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Addresses, ForeignProvider } from "./foreign.ts"
import { startProvider } from "./foreign.ts"

const SECRETS = { safeconduct: "keycloak-secret-of-safeconduct", application: "keycloak-secret-of-shop-web" }
const PERSON = { name: "alice", password: "alice-of-keycloak" }

/** Keycloak from its own distribution (KEYCLOAK_HOME), with a realm, two clients and Alice, in development mode on loopback. */
export async function startKeycloak(at: Addresses): Promise<ForeignProvider> {
  const home = process.env["KEYCLOAK_HOME"]
  if (home === undefined || !existsSync(join(home, "bin", "kc.sh"))) {
    throw new Error("KEYCLOAK_HOME must be the folder of an unpacked keycloak-quarkus-dist; see run.sh")
  }
  // It writes into its own folder: a copy leaves the given one as it is, without links that its launcher would follow.
  const folder = join(at.folder, "keycloak")
  cpSync(home, folder, { recursive: true, filter: (path) => !path.startsWith(join(home, "data")) })
  mkdirSync(join(folder, "data", "import"), { recursive: true })
  writeFileSync(join(folder, "data", "import", "shop-realm.json"), JSON.stringify(realm(at)))
  const version = execFileSync(join(folder, "bin", "kc.sh"), ["--version"], { encoding: "utf8" }).split("\n")[0]!
  const issuer = `http://127.0.0.1:${at.port}/realms/shop`
  const running = await startProvider(
    join(folder, "bin", "kc.sh"),
    ["start-dev", "--http-host=127.0.0.1", `--http-port=${at.port}`, "--import-realm", ...channelOf(at)],
    {
      env: process.env as Record<string, string>,
      cwd: folder,
      logTo: join(at.folder, "keycloak.log"),
      issuer,
      withinMs: 180_000,
    },
  )
  return {
    version,
    issuer,
    profile: "keycloak",
    clientAuthentication: "client_secret_post",
    secrets: SECRETS,
    person: PERSON,
    claims: { customer: "customer_id" },
    hasBackChannelLogout: true,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

/** Keycloak, Server Administration Guide, "CIBA": the HTTP authentication channel's address is an option of the server. */
function channelOf({ channel }: Addresses): string[] {
  const option = "--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri"
  return channel === undefined ? [] : [`${option}=${channel}`]
}

/** Keycloak's realm representation, as far as it differs from its defaults. */
function realm({ callback, backChannelLogout, afterLogout, applicationCallback }: Addresses) {
  const mapper = {
    name: "customer_id",
    protocol: "openid-connect",
    protocolMapper: "oidc-usermodel-attribute-mapper",
    config: {
      "user.attribute": "customer_id",
      "claim.name": "customer_id",
      "jsonType.label": "String",
      "id.token.claim": "true",
      "access.token.claim": "true",
      "userinfo.token.claim": "true",
    },
  }
  const client = { enabled: true, protocol: "openid-connect", publicClient: false, protocolMappers: [mapper] }
  return {
    realm: "shop",
    enabled: true,
    sslRequired: "none",
    // A request lives two minutes; five seconds between two polls.
    attributes: {
      cibaBackchannelTokenDeliveryMode: "poll",
      cibaExpiresIn: "120",
      cibaInterval: "5",
      cibaAuthRequestedUserHint: "login_hint",
    },
    // Attributes that no profile of users declares are dropped otherwise.
    components: {
      "org.keycloak.userprofile.UserProfileProvider": [
        { providerId: "declarative-user-profile", config: { "kc.user.profile.config": [JSON.stringify(PROFILE)] } },
      ],
    },
    users: [
      {
        username: PERSON.name,
        enabled: true,
        emailVerified: true,
        email: "alice@shop.example",
        firstName: "Alice",
        lastName: "Adams",
        attributes: { customer_id: ["1001"] },
        credentials: [{ type: "password", value: PERSON.password }],
      },
    ],
    clients: [
      {
        ...client,
        clientId: "safeconduct",
        secret: SECRETS.safeconduct,
        redirectUris: [callback],
        attributes: {
          "pkce.code.challenge.method": "S256",
          "backchannel.logout.url": backChannelLogout,
          "backchannel.logout.session.required": "true",
          "post.logout.redirect.uris": afterLogout,
          "oidc.ciba.grant.enabled": "true",
          "ciba.backchannel.token.delivery.mode": "poll",
        },
      },
      { ...client, clientId: "shop-web", secret: SECRETS.application, redirectUris: [applicationCallback] },
    ],
  }
}

const PROFILE = {
  unmanagedAttributePolicy: "ENABLED",
  attributes: ["username", "email", "firstName", "lastName"].map((name) => ({
    name,
    permissions: { view: ["admin", "user"], edit: ["admin", "user"] },
  })),
}
