import type { Change } from "#audit"
import { type Database, type KeptKeyring, type Keyring, Refusal, Secret } from "#kernel"
import type { ProviderDefinition } from "./part.ts"
import { readSecret, readSecrets, replaceSealed, type SecretRow, writeSecret } from "./store.ts"

/** A provider as its secret is bound to it. */
export type SecretOf = { name: string; definition: Pick<ProviderDefinition, "issuer" | "clientId"> }

/**
 * Keeps a client secret, sealed and bound to the issuer and client that it is for: a configuration that leads the provider's name
 * elsewhere does not take the secret there.
 */
export function settingSecret(keyring: Keyring, of: SecretOf, secret: Secret, by: string): Change<void> {
  const { issuer, clientId } = of.definition
  const bound = { provider: of.name, issuer, clientId }
  return {
    work: (tx) => writeSecret(tx, { ...bound, sealed: keyring.seal(contextOf(bound), secret.reveal()) }),
    entries: () => [
      { event: "sessions.provider-secret-set", by, data: { provider: of.name, issuer, client: clientId } },
    ],
  }
}

/** The secret, as it is now for every server. Throws `provider-not-configured` when there is none for this issuer and client. */
export async function secretOf(
  { database, keyring }: { database: Database; keyring: Keyring },
  { name, definition: { issuer, clientId } }: SecretOf,
): Promise<Secret> {
  const row = await readSecret(database, name)
  if (row === null || row.issuer !== issuer || row.clientId !== clientId) {
    const how = `PUT /v1/sessions/providers/${name}/secret`
    throw new Refusal("provider-not-configured", `The provider "${name}" has no client secret yet: ${how}.`)
  }
  return new Secret(keyring.open(contextOf(row), row.sealed).toString("utf8"))
}

/** Seals anew what another key-encryption key sealed. Returns how many; repeated until it returns 0. */
export async function resealProviders(database: Database, keyring: KeptKeyring): Promise<number> {
  const stale = (await readSecrets(database)).filter(({ sealed }) => !keyring.isCurrent(sealed))
  for (const row of stale) {
    const context = contextOf(row)
    await replaceSealed(database, row, keyring.seal(context, keyring.open(context, row.sealed)))
    // A crash here leaves the others under the old key, which opens them still; the next run goes on.
  }
  return stale.length
}

function contextOf({ provider, issuer, clientId }: Omit<SecretRow, "sealed">): string {
  return `sessions.provider_secrets/${JSON.stringify([provider, issuer, clientId])}`
}
