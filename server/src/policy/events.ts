/** What policy records. */
export const events = {
  "policy.asked": "Another enforcement point asked policy; nothing was released or reserved.",
  "policy.applied":
    "A new version of policies, purposes, resources and agents is in force; its digest stands in the entry.",
} as const
