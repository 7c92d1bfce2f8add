import type { Grounds } from "#agents"
import type { Id } from "#kernel"
import type { Role } from "../providers/index.ts"
import type { User } from "../user.ts"

/** Who came back from the provider, and what its claims are worth. */
export type OperatorArrival = {
  user: User
  providerSession: string | null
  /** When the provider issued its ID token, by its clock. */
  issuedAtMs: number
  grounds: Grounds
  roles: Role[]
}

/** A command line's request to act for somebody as an operator, with all that became of it. */
export type OperatorRequest = {
  id: Id<"request">
  state: "begun" | "signed-in" | "allowed" | "redeemed" | "denied"
  asked: {
    provider: string
    /** Where the command line listens, on the machine of the browser. */
    redirectUri: string
    /** The command line's own, brought back as it is. */
    state: string
    /** PKCE S256 (RFC 7636 §4.2): whoever has the verifier is who asked. */
    challenge: string
  }
  /** Null until somebody signed in. */
  arrival: OperatorArrival | null
  signedInAtMs: number | null
  /** Of the key that the code was used with. */
  keyThumbprint: string | null
}

/** The same after somebody signed in. */
export type ArrivedOperator = OperatorRequest & { arrival: OperatorArrival; signedInAtMs: number }

/** True when somebody signed in for it. */
export function hasArrived(request: OperatorRequest): request is ArrivedOperator {
  return request.arrival !== null && request.signedInAtMs !== null
}
