/** What sessions records. */
export const events = {
  "sessions.purposes-replaced": "The purposes in force were replaced by those of a new configuration.",
  "sessions.user-known":
    "Somebody delegated or signed in for the first time: the id stands for the issuer and subject that the commitments hold.",
  "sessions.provider-secret-set":
    "An operator handed over the secret by which a provider knows us; it rests sealed, for that issuer and client alone.",
  "sessions.signed-in": "Somebody signed in with a browser, at the provider that the entry names.",
  "sessions.signed-out": "Somebody signed out in their browser.",
  "sessions.operator-allowed":
    "Somebody let a command line act for them as an operator; it has a minute to prove its key.",
  "sessions.operator-denied": "Somebody was asked whether a command line may act for them as an operator, and said no.",
  "sessions.operator-without-role": "Somebody signed in as an operator, and their provider's claims are worth no role.",
  "sessions.consent-given":
    "A user allowed an agent something: the digest is of the text that was shown, and the details are what was granted.",
  "sessions.consent-denied": "A user denied what an agent asked for.",
  "sessions.consent-revoked": "A user took a consent back; what was opened by it ends.",
  "sessions.code-replayed": "A code was presented again; the session that was made of it is ended.",
  "sessions.opened":
    "An agent opened a session for a purpose; its mandate is signed, and its digest stands in the entry.",
  "sessions.delegation-offered":
    "A session offers a part of its mandate to another agent, for one sub-session that is opened within five minutes.",
  "sessions.renewed": "A session that is in use lives longer, at the most to its hard end.",
  "sessions.labelled":
    "A session saw something that policies may speak of, and with it all of its chain; it does not get rid of it.",
  "sessions.ended": "A session was ended: by its agent, by an operator, or because the agent was suspended.",
  "sessions.lapsed": "A session was not renewed in time, and ended.",
  "sessions.expired": "A session reached its hard end.",
  "sessions.token-issued":
    "An access token was made; it is bound to the caller's certificate or key, and to a session unless it is to open one.",
  "sessions.token-key-made": "A key that signs tokens and mandates was made; it is published at once.",
  "sessions.token-key-retired": "No token that the key signed can live any more; its mandates still verify.",
  "sessions.token-key-destroyed": "No open session has a mandate by the key; its private part is gone.",
} as const
