/** What the room records. Values that people are known by, and what they were shown, are committed to and not written out. */
export const events = {
  "approvals.configured": "Whose approval may be asked for, in which ways and how often, was replaced.",
  "approvals.requested": "Somebody is asked to approve an action that an agent wants to take.",
  "approvals.decided": "One of several whose approval it takes approved it.",
  "approvals.approved": "Everybody whose approval it takes approved exactly this action, once.",
  "approvals.token-issued":
    "The agent that asked by OpenID CIBA got what was approved as an access token, once; it was not used yet.",
  "approvals.denied": "Somebody whose approval it takes denied it.",
  "approvals.reported": "Somebody denied it and reported the agent, which is stopped.",
  "approvals.extended": "Somebody took more time to decide; until when, it says.",
  "approvals.expired": "Nobody decided in time, which is a denial.",
  "approvals.passkey-enrolled":
    "Somebody's passkey was verified; approvals that it signs are verified with the key in here.",
  "approvals.passkey-confirmed": "An operator said that a passkey, added after others were lost, is its owner's.",
  "approvals.passkey-renamed": "Somebody calls a passkey of theirs something else; how stands nowhere here.",
  "approvals.passkey-revoked": "A passkey signs nothing any more.",
  "approvals.passkey-suspected":
    "A passkey's counter went back: there seems to be a copy of it. What it signed was refused.",
  "approvals.device-lost":
    "Somebody lost a device: their passkeys were revoked, and what waited for them was withdrawn.",
  "approvals.provider-asked":
    "A provider is asked to ask its user, out of band, over what both screens show the code of.",
  "approvals.provider-answered": "Somebody told their provider, through us, whether it was they who agreed.",
  "approvals.provider-failed":
    "A provider could not ask its user, or did not say in time or believably what they said.",
  "approvals.withdrawn": "It is not asked any more: what it was asked for is over.",
  "approvals.agent-barred":
    "An agent that was reported may not act, for everybody or for one user, until somebody else lifts it.",
  "approvals.report-lifted": "A second person lifted what stopped an agent that was reported.",
  "approvals.granted": "Somebody gave an agent leave for more of what they approved, within bounds that they signed.",
  "approvals.grant-revoked": "Leave for more of the same was taken back.",
  "approvals.refused": "So many of one kind were asked for that nobody is asked, and what waited of them is withdrawn.",
  "approvals.notified":
    "Somebody was told by a channel that something waits or happened; not of what, and the entry does not say where they are reached.",
  "approvals.unreachable":
    "Nobody could be told of what waits or happened: no channel took it, or it is over before quiet hours are.",
  "approvals.channel-secret-set":
    "An operator handed over the secret of a channel; it rests sealed, for its present place alone.",
  "approvals.push-key-made": "The key by which push services know this deployment was made.",
  "approvals.contact-offered": "Somebody named an address or number of theirs, and was sent a code there.",
  "approvals.contact-verified": "It is known from now on whose a way of reaching somebody is.",
  "approvals.contact-forgotten":
    "A way of reaching somebody was removed: by them, or because there is nobody any more.",
  "approvals.wishes-changed": "Somebody set in which language they are told, and when not.",
  "approvals.person-forgotten": "How somebody was reached was erased.",
  "approvals.stand-in-appointed": "A member of a group named somebody who decides in their place for a time.",
  "approvals.stand-in-revoked": "Somebody stands in for a member of a group no more.",
} as const
