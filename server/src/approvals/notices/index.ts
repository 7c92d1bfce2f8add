/**
 * Notices: what people are to be told, from the transaction of what they are told of until somebody heard it. One that asks is
 * waiting → seen when the person looked, over when it is decided or expired, unreachable when no channel took it; one that merely
 * tells is told when a channel took it. A person is one server's at a time, by a claim that lapses: what was carried and not
 * marked is carried again.
 */
export { type Notices, type NoticesTimes, openNotices, type Reachable } from "./open.ts"
export { insertNotice, type Notice, type NoticeKind, noticing } from "./store.ts"
export type { NoticesParts } from "./turn.ts"
