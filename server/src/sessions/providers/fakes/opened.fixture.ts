import { clientSecret, openTestProviders, type TestProviders } from "../fixture.ts"
import { type StartedVendor, startVendor, type Vendor } from "./vendor.fixture.ts"

/** A vendor's provider that runs, and our side configured for it under the name `shop`. */
export type Opened = AsyncDisposable & { started: StartedVendor; ours: TestProviders }

/** Starts both; the client's secret is handed over where the vendor's clients have one. */
export async function openVendor(vendor: Vendor): Promise<Opened> {
  await using stack = new AsyncDisposableStack()
  const started = stack.use(await startVendor(vendor))
  const { profile, configuration } = vendor
  const ours = stack.use(await openTestProviders({ issuer: started.issuer, profile, ...configuration }))
  if (configuration.clientAuthentication?.startsWith("client_secret") === true)
    await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
  const owned = stack.move()
  return { started, ours, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
