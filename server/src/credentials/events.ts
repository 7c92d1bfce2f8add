/** What credentials records. */
export const events = {
  "credentials.resources-replaced": "The resources in force were replaced by those of a new configuration.",
  "credentials.root-rotating": "The password of the account that we hold at a resource is about to change.",
  "credentials.root-configured":
    "We logged in at a resource, found it prepared, and are the only ones who know the password.",
  "credentials.lease-intended": "A credential is about to be made; nothing exists at the resource yet.",
  "credentials.lease-issued": "The credential exists at the resource and was handed to the agent.",
  "credentials.lease-failed": "The credential could not be made, and nothing of it is left at the resource.",
  "credentials.lease-renewed": "The credential lives longer, at the most to its hard end; its connections stay.",
  "credentials.lease-revoked": "The credential was taken away; the resource was read back and nothing of it is left.",
  "credentials.lease-expired": "The credential's time ended; the resource was read back and nothing of it is left.",
  "credentials.lease-stuck": "The credential could not be taken away yet; it keeps being tried.",
  "credentials.cut-journalled":
    "A credential was cut while nothing could be recorded; entered afterwards, with the time at which it was.",
  "credentials.late-connection-killed": "A connection appeared after its account was dropped, and was closed.",
  "credentials.orphan-found":
    "An account of this deployment stood at a resource without a lease, and is being removed.",
  "credentials.orphan-removed": "The account without a lease is gone from the resource.",
  "credentials.account-missing": "The account of a live lease was no longer at the resource; the lease is ended.",
  "credentials.orphan-journalled": "An account without a lease was removed while nothing could be recorded.",
} as const
