/** What policy records. */
export const events = {
  "policy.asked": "Another enforcement point asked policy; nothing was released or reserved.",
  "policy.change-proposed": "An operator wants another version in force; a second operator has to sign it.",
  "policy.change-approved": "A second operator signed a proposed version, which is in force from then on.",
  "policy.change-denied": "A proposed version is not put in force.",
  "policy.applied":
    "A new version of policies, purposes, resources and agents is in force; its digest stands in the entry.",
} as const
