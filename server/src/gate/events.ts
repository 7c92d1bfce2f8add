/** What the gate records. Every effect that crosses rooms leaves one of these beside the rooms' own entries. */
export const events = {
  "gate.action-begun": "An action was allowed; its effect may follow, and its outcome must.",
  "gate.action-denied": "An action was denied before anything happened.",
  "gate.action-discarded": "An allowed action was thrown away, because something was taken away meanwhile.",
  "gate.action-succeeded": "The enforcement point reported that the action took effect.",
  "gate.action-failed": "The action did not take effect, or not wholly.",
  "gate.session-refused": "A session was not opened.",
} as const
