/** What this room records. */
export const events = {
  "agents.authority-created": "A root or an intermediate of the built-in certificate authority was made.",
  "agents.registered": "An agent stands in the configuration for the first time.",
  "agents.changed": "What an agent is for, or its ceiling, changed.",
  "agents.suspended": "An agent may not act until it is resumed.",
  "agents.resumed": "A suspended agent may act again.",
  "agents.retired": "An agent may never act again; its name may be registered anew.",
  "agents.operator-registered": "An operator was named, with roles.",
  "agents.operator-changed": "An operator has other roles now.",
  "agents.operator-retired": "An operator may never act again.",
  "agents.operator-signed-in":
    "Somebody acts as an operator by a sign-in at their provider: with the roles that the provider's claims were worth, until then.",
  "agents.operator-signed-out":
    "A sign-in of an operator is over before its time: they signed out at the provider, its code came twice, or no role is left.",
  "agents.join-token-created": "A single-use token that makes one instance was handed out.",
  "agents.instance-enrolled": "A join token was used: a key stands for an agent or operator from now on.",
  "agents.instance-revoked": "A key stands for its agent no more; the agent's other instances go on.",
  "agents.svid-issued": "A certificate was issued to an instance, or to a server for itself.",
} as const
