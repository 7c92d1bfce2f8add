/** What the gate records. Every effect that crosses rooms leaves one of these beside the rooms' own entries. */
export const events = {
  "gate.action-begun": "An action was allowed; its effect may follow, and its outcome must.",
  "gate.action-denied": "An action was denied before anything happened.",
  "gate.action-held": "An action waits for the approval of a person; nothing has happened.",
  "gate.access-requested":
    "Another enforcement point asked for the approval of what it was told that an agent may not do without; nothing has happened.",
  "gate.approval-not-asked": "An agent wanted to ask for the approval of an action that needs none; nobody was asked.",
  "gate.action-discarded":
    "A decision was thrown away and taken again, because what it stood on was taken away meanwhile.",
  "gate.action-succeeded": "The action took effect, as its enforcement point reported; perhaps late.",
  "gate.action-failed": "The action did not take effect, or not wholly.",
  "gate.renewal-denied": "A lease is not extended: what allowed it was taken away. It ends at its time.",
  "gate.session-refused": "A session was not opened.",
  "gate.delegation-refused": "Nothing of a session was handed on: what was asked for is more than can be.",
  "gate.session-end-journalled":
    "A session was ended while nothing could be recorded; entered afterwards, with the time at which it was commanded.",
  "gate.agent-stop-journalled":
    "An agent was stopped while nothing could be recorded; entered afterwards, with the time at which it was commanded.",
  "gate.instance-revocation-journalled":
    "An instance was revoked while nothing could be recorded; entered afterwards, with the time at which it was commanded.",
  "gate.resealing-begun": "Every server seals with another key-encryption key; what the old one sealed is sealed anew.",
  "gate.resealing-finished": "Nothing rests any more that only the old key-encryption key opens.",
} as const
