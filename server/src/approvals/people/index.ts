/**
 * People: how somebody is reached, in which language, and when not. Contacts rest sealed and can be erased; one counts when it is
 * known whose it is: a browser that was signed in brought it, a code that was sent there was entered, or claims of the person's
 * provider say so. Who stands in for whom is here too; what either of them may decide is for the requests to judge.
 */
export { type KnownContact, type OwnContact, resealPeople } from "./contacts.ts"
export { openPeople, type People, type PeopleParts, type Reach, type Wishes } from "./open.ts"
export { type QuietHours, quietHoursSchema, quietUntil } from "./quiet.ts"
export { peopleRoutes } from "./routes.ts"
export type { Appointment, StandIns } from "./stand-ins/stand-ins.ts"
export type { StandIn } from "./stand-ins/store.ts"
