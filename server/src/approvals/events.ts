/** What the room records. Values that people are known by, and what they were shown, are committed to and not written out. */
export const events = {
  "approvals.configured": "Whose approval may be asked for, in which ways and how often, was replaced.",
  "approvals.requested": "Somebody is asked to approve an action that an agent wants to take.",
  "approvals.decided": "One of several whose approval it takes approved it.",
  "approvals.approved": "Everybody whose approval it takes approved exactly this action, once.",
  "approvals.denied": "Somebody whose approval it takes denied it.",
  "approvals.reported": "Somebody denied it and reported the agent, which is stopped.",
  "approvals.expired": "Nobody decided in time, which is a denial.",
  "approvals.withdrawn": "It is not asked any more: what it was asked for is over.",
} as const
