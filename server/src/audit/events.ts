/** What audit itself records. */
export const events = {
  "audit.read": "Entries were read; the caller and what was asked for stand in it.",
  "audit.outcome-missing": "An intent passed its deadline without an outcome.",
  "audit.erased": "The personal values of an entry are erased; its commitments, and every proof, stay.",
} as const
