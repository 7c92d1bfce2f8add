/** What audit itself records. */
export const events = {
  "audit.read": "Entries were read; the caller and what was asked for stand in it.",
  "audit.outcome-missing": "An intent passed its deadline without an outcome.",
  "audit.erased": "The personal values of an entry are erased; its commitments, and every proof, stay.",
  "audit.log-key-added": "Checkpoints are signed by one more key, which takes over from the one before.",
  "audit.log-key-retired": "Checkpoints are not signed by that key any more.",
  "audit.log-begun":
    "First entry of a log that was begun after another: the last tree signed of that one, and why it ended.",
} as const
