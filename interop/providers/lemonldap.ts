import { execFileSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Addresses, ForeignProvider } from "./foreign.ts"
import { startProvider } from "./foreign.ts"

// Letters and digits only: LemonLDAP::NG 2.16 does not undo the form encoding that RFC 6749 §2.3.1 asks of Basic credentials.
const SECRETS = { safeconduct: "lemonldapsecretofsafeconduct", application: "lemonldapsecretofshopweb" }
/** One of the people of its module Demo, whose passwords are their names. */
const PERSON = { name: "dwho", password: "dwho" }

/** Of dpkg-query(1), not of ours. */
const FORMAT = "LemonLDAP::NG $" + "{Version}"

/** LemonLDAP::NG as Debian has it, its portal under starman, with a configuration in files of its own. */
export async function startLemonldap(at: Addresses): Promise<ForeignProvider> {
  const folder = join(at.folder, "lemonldap")
  for (const name of ["conf", "sessions", "psessions"]) mkdirSync(join(folder, name), { recursive: true })
  const issuer = `http://127.0.0.1:${at.port}`
  writeFileSync(join(folder, "conf", "lmConf-1.json"), JSON.stringify(configuration(folder, issuer, at)))
  writeFileSync(join(folder, "lemonldap-ng.ini"), ini(folder))
  writeFileSync(join(folder, "portal.psgi"), PORTAL)
  const version = execFileSync("dpkg-query", ["-W", "-f", FORMAT, "liblemonldap-ng-portal-perl"], {
    encoding: "utf8",
  })
  const running = await startProvider(
    "starman",
    ["--workers", "2", "--listen", `127.0.0.1:${at.port}`, join(folder, "portal.psgi")],
    {
      env: { ...(process.env as Record<string, string>), LLNG_DEFAULTCONFFILE: join(folder, "lemonldap-ng.ini") },
      logTo: join(at.folder, "lemonldap.log"),
      issuer,
      withinMs: 60_000,
    },
  )
  return {
    version,
    issuer,
    profile: "generic",
    clientAuthentication: "client_secret_post",
    secrets: SECRETS,
    person: PERSON,
    claims: { customer: "customer_id" },
    hasBackChannelLogout: false,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

/** The configuration that Debian's package comes with. */
const SHIPPED = "/var/lib/lemonldap-ng/conf/lmConf-1.json"

/** What differs from it, by its own names of parameters (lemonldap-ng.org, "Parameter list"). */
function configuration(folder: string, issuer: string, at: Addresses) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const files = (name: string) => ({ Directory: join(folder, name), LockDirectory: join(folder, name) })
  const client = (id: string, secret: string, redirectUri: string) => ({
    oidcRPMetaDataOptionsClientID: id,
    oidcRPMetaDataOptionsClientSecret: secret,
    oidcRPMetaDataOptionsIDTokenSignAlg: "RS256",
    oidcRPMetaDataOptionsIDTokenForceClaims: 1,
    oidcRPMetaDataOptionsBypassConsent: 1,
    oidcRPMetaDataOptionsRedirectUris: redirectUri,
    oidcRPMetaDataOptionsPostLogoutRedirectUris: at.afterLogout,
    oidcRPMetaDataOptionsUserIDAttr: "uid",
    oidcRPMetaDataOptionsRequirePKCE: 1,
  })
  const exported = { customer_id: "uid", name: "cn", email: "mail" }
  return {
    ...(JSON.parse(readFileSync(SHIPPED, "utf8")) as object),
    portal: `${issuer}/`,
    domain: "127.0.0.1",
    securedCookie: 0,
    globalStorageOptions: {
      ...files("sessions"),
      generateModule: "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
    },
    persistentStorageOptions: files("psessions"),
    localSessionStorageOptions: { namespace: "sessions", default_expires_in: 600, cache_root: join(folder, "cache") },
    notification: 0,
    // Their modules need mail.
    registerDB: "Null",
    passwordDB: "Null",
    issuerDBOpenIDConnectActivation: 1,
    issuerDBOpenIDConnectPath: "^/oauth2/",
    oidcServiceMetaDataIssuer: issuer,
    oidcServicePrivateKeySig: privateKey.export({ type: "pkcs1", format: "pem" }),
    oidcServicePublicKeySig: publicKey.export({ type: "spki", format: "pem" }),
    oidcServiceKeyIdSig: "k1",
    oidcServiceAllowAuthorizationCodeFlow: 1,
    oidcRPMetaDataOptions: {
      safeconduct: client("safeconduct", SECRETS.safeconduct, at.callback),
      shopweb: client("shop-web", SECRETS.application, at.applicationCallback),
    },
    oidcRPMetaDataExportedVars: { safeconduct: exported, shopweb: exported },
  }
}

function ini(folder: string): string {
  return `[all]
logLevel = warn
logger = Lemonldap::NG::Common::Logger::Std
userLogger = Lemonldap::NG::Common::Logger::Std
[configuration]
type = File
dirName = ${join(folder, "conf")}
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
`
}

const PORTAL = `use Plack::Builder;
use Lemonldap::NG::Portal::Main;
builder {
  enable 'Plack::Middleware::Static', path => sub { s#^/static/## }, root => '/usr/share/lemonldap-ng/portal/htdocs/static/';
  Lemonldap::NG::Portal::Main->run({});
};
`
