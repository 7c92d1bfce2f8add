import { auth0 } from "./auth0.fixture.ts"
import { entra } from "./entra.fixture.ts"
import { google } from "./google.fixture.ts"
import { ibmVerify } from "./ibm-verify.fixture.ts"
import { keycloak } from "./keycloak.fixture.ts"
import { okta } from "./okta.fixture.ts"
import { ping } from "./ping.fixture.ts"
import type { Vendor } from "./vendor.fixture.ts"

/** Every vendor that has a profile. What stands in a fixture without a document beside it is as the capture that it names has it. */
export const vendors: readonly Vendor[] = [okta, ibmVerify, auth0, keycloak, google, entra, ping]
