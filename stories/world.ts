import type { Values } from "./grammar.ts"

/** What came of a step. */
export type Outcome =
  | { kind: "allowed"; text: string }
  /** It waits for somebody's approval. */
  | { kind: "asked"; text: string }
  /** A refusal of ours, by its stable code. */
  | { kind: "refused"; code: string; text: string }
  /** The resource said no: PostgreSQL's SQLSTATE, null when the connection itself was lost. */
  | { kind: "failed"; sqlState: string | null; text: string }

/** Whose session it is, and what they asked for through an application. */
export type Delegated = { user: string; values: Values; request: string | null }

/** What is handed on. */
export type Granted = { type: "credential" | "tool"; resource: string; operation: string }

/** An action of a tool. */
export type ToolAction = { resource: string; operation: string; arguments: object }

/**
 * Where a story happens: a running server, a resource, agents with keys of their own. One world serves one story; the
 * session and the lease that were opened last are the ones meant. Expected noes are outcomes; a throw is a broken world.
 */
export interface World extends AsyncDisposable {
  /** Enrols the agent if it is new to this story, and opens a session with its own key, or for whoever delegates it. */
  session(agent: string, purpose: string, seconds: number | null, delegated: Delegated | null): Promise<Outcome>
  /** Asks for a credential, in the session. */
  lease(resource: string, operation: string, values: Values): Promise<Outcome>
  /** Asks for a tool's action, in the session; `isApproved`: with the approval that was asked for last. */
  tool(action: ToolAction, more: { said: string | null; isApproved: boolean }): Promise<Outcome>
  /** Somebody opens, on their phone, the card of what was asked for last, and signs it or says no. Allowed, its text is what the card said. */
  approve(user: string, isDenied: boolean): Promise<Outcome>
  /** Hands one operation of the session on to another agent, which takes it: its session is the one that is meant from then on. */
  delegate(purpose: string, granted: Granted, agent: string): Promise<Outcome>
  /** Opens one more connection with the lease's credential, and closes it again. */
  login(): Promise<Outcome>
  /** Runs a statement on a connection of that name, which is opened at its first use and then kept. */
  sql(connection: string, text: string): Promise<Outcome>
  /** Presents the agent's SVID, as recorded from the wire, with a key that is not the agent's. */
  steal(agent: string): Promise<Outcome>
  /** Presents a certificate with the agent's SPIFFE ID that somebody else's authority signed. */
  forge(agent: string): Promise<Outcome>
  suspend(agent: string): Promise<Outcome>
  resume(agent: string): Promise<Outcome>
  /** Calls a route as an agent, as `operator` or as `nobody`; `{session}` and `{lease}` are the last ones. */
  call(method: string, path: string, as: string, body: object | null): Promise<Outcome>
  end(): Promise<Outcome>
  /** Texts that nobody but that person may see. */
  privateOf(person: string): readonly string[]
  /** Names of the accounts that leases of this story still have at the resource. */
  accounts(): Promise<string[]>
  /** Events recorded since the story began, in order, after each entry's receipt was verified offline with the public key. */
  provenEvents(): Promise<string[]>
}
