import { events as agentsEvents, migrations as agentsMigrations } from "#agents"
import { events as approvalsEvents, migrations as approvalsMigrations } from "#approvals"
import { events as auditEvents, migrations as auditMigrations } from "#audit"
import { events as credentialsEvents, migrations as credentialsMigrations } from "#credentials"
import { events as gateEvents } from "#gate"
import { kernelMigrations, type Migrations } from "#kernel"
import { events as policyEvents, migrations as policyMigrations } from "#policy"
import { events as sessionsEvents, migrations as sessionsMigrations } from "#sessions"

/** Every room's schema, in the order in which they are made. */
export const allMigrations: readonly Migrations[] = [
  kernelMigrations,
  auditMigrations,
  agentsMigrations,
  sessionsMigrations,
  policyMigrations,
  approvalsMigrations,
  credentialsMigrations,
]

/** Every event that an entry may carry, with a sentence on what it says. */
export const allEvents: { readonly [event: string]: string } = {
  ...auditEvents,
  ...agentsEvents,
  ...sessionsEvents,
  ...policyEvents,
  ...approvalsEvents,
  ...credentialsEvents,
  ...gateEvents,
}
