import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  events as auditEvents,
  migrations as auditMigrations,
  createLogKey,
  type Leaf,
  openAudit,
  openFileSigner,
} from "#audit"
import { type Id, type Keyring, newId, openKeyring, Secret, silentLog, systemClock } from "#kernel"
import {
  openPushService,
  openSmsGateway,
  type PushService,
  type SmsGateway,
  type TestDatabase,
  testDatabase,
} from "#testing"
import { type Channels, type ChannelsPart, openChannels } from "../channels/index.ts"
import { type MailServer, openMailServer } from "../channels/mail.fixture.ts"
import { openWebhookReceiver, type WebhookReceiver } from "../channels/webhook.fixture.ts"
import { events, migrations } from "../index.ts"
import { type OwnContact, openPeople, type People } from "../people/index.ts"
import { type Notices, type NoticesTimes, openNotices } from "./open.ts"
import { type Notice, noticing } from "./store.ts"

const origin = "example.org/log/1"
/** Our own, which links of tests begin with. */
export const issuer = "https://safeconduct.example"

/** One server: its own memory of channels, its own work. */
export type TestServer = {
  audit: Awaited<ReturnType<typeof openAudit>>
  channels: Channels
  people: People
  notices: Notices
}

/** Everything between a notice and a phone, on one database, with far ends that catch what is sent. */
export interface TestReach extends AsyncDisposable, TestServer {
  store: TestDatabase
  keyring: Keyring
  key: Buffer
  keyPath: string
  part: ChannelsPart
  push: PushService
  mail: MailServer
  sms: SmsGateway
  hook: WebhookReceiver
  another(times?: Partial<NoticesTimes>): Promise<TestServer>
  /** A new person whom these contacts are known to be of. */
  person(...contacts: OwnContact[]): Promise<Id<"user">>
  /** Keeps a notice, as what it tells of would. */
  notice(notice: Notice): Promise<Id<"notice">>
  /** Rows of the person's notices, the oldest first. */
  rows(
    user: string,
  ): Promise<{ id: Id<"notice">; kind: string; state: string; step: number; stands_in_for: string | null }[]>
  /** Resolves when what the log says of that event is so many. */
  entries(event: string, count?: number): Promise<Leaf[]>
  /** Lets that many seconds pass for what somebody is told; nothing expires by it. */
  age(user: string, seconds: number): Promise<void>
  /** Resolves when the condition holds. */
  until(condition: () => Promise<boolean>): Promise<void>
}

/** Opens it with one server. `more` replaces a part of the configuration; `times` are that server's. */
export async function openTestReach(
  more: (far: { mail: MailServer }) => Partial<ChannelsPart> = () => ({}),
  times: Partial<NoticesTimes> = {},
): Promise<TestReach> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-reach-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const [push, mail] = [stack.use(await openPushService()), stack.use(await openMailServer())]
  const [sms, hook] = [stack.use(await openSmsGateway()), stack.use(await openWebhookReceiver())]
  const owned = stack.move()
  const key = randomBytes(32)
  const keyring = openKeyring(key)
  const part = { ...partFor({ mail, sms }), ...more({ mail }) }
  const server = async (own: Partial<NoticesTimes> = times): Promise<TestServer> => {
    const opened = await openServer({ store, keyPath, keyring, part: () => reach.part, times: own })
    owned.use(opened)
    return opened
  }
  const reach = { part } as TestReach
  const first = await server()
  const { audit, people, channels } = first
  if (part.sms !== undefined) await channels.setSecret("sms", new Secret(sms.token), "server")
  const entries = async (event: string) => {
    const rows = await store.owner.query<{ leaf: Buffer }>(
      "select leaf from audit.entries where event = $1 order by index",
      [event],
    )
    return rows.map(({ leaf }) => JSON.parse(leaf.toString()) as Leaf)
  }
  const until: TestReach["until"] = async (condition) => {
    for (const end = Date.now() + 60_000; !(await condition()); ) {
      if (Date.now() > end) throw new Error("it did not come to that within a minute")
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return Object.assign(reach, first, {
    store,
    keyring,
    key,
    keyPath,
    push,
    mail,
    sms,
    hook,
    another: server,
    until,
    async person(...contacts: OwnContact[]) {
      const user = newId("user")
      for (const contact of contacts) {
        if (contact.kind === "push") await audit.commit(people.subscribe(user, contact))
        else if (contact.kind === "email") await audit.commit(people.adopt(user, contact))
        else await verifyNumber(reach, user, contact)
      }
      return user
    },
    async notice(notice: Notice) {
      await audit.commit(noticing(notice))
      return (await reach.rows(notice.user)).at(-1)!.id
    },
    rows: (user: string) =>
      store.owner.query(
        "select id, kind, state, step, stands_in_for from approvals.notices where user_id = $1 order by created_at",
        [user],
      ),
    async entries(event: string, count = 0) {
      await until(async () => (await entries(event)).length >= count)
      return await entries(event)
    },
    async age(user: string, seconds: number) {
      await store.owner.query(
        `update approvals.people set buzzed_at = buzzed_at - make_interval(secs => $2),
           told_at = told_at - make_interval(secs => $2) where user_id = $1`,
        [user, seconds],
      )
      await store.owner.query(
        `update approvals.notices set due_at = due_at - make_interval(secs => $2) where user_id = $1`,
        [user, seconds],
      )
      reach.notices.look()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  } satisfies Omit<TestReach, "part" | keyof TestServer>)
}

/** Opens a server at a database; also what a process that is killed does. */
export async function openServer(parts: {
  store: Pick<TestDatabase, "database">
  keyPath: string
  keyring: Keyring
  part: () => ChannelsPart
  times?: Partial<NoticesTimes>
  /** Carries messages and never comes to mark them. */
  isStuck?: boolean
}): Promise<TestServer & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const common = { database: parts.store.database, clock: systemClock, log: silentLog, keyring: parts.keyring }
  const signer = await openFileSigner(parts.keyPath, origin)
  const all = { ...auditEvents, ...events }
  const audit = stack.use(await openAudit({ ...common, signer, origin, events: all, sweepMs: 3_600_000 }))
  const channels = openChannels({ ...common, audit, part: parts.part })
  const people = openPeople({ ...common, audit, channels, nowMs: Date.now })
  const own = parts.isStuck === true ? { ...audit, commit: () => new Promise<never>(() => undefined) } : audit
  const notices = stack.use(await openNotices({ ...common, audit: own, channels, people, issuer }, parts.times))
  const owned = stack.move()
  return { audit, channels, people, notices, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function partFor({ mail, sms }: { mail: MailServer; sms: SmsGateway }): ChannelsPart {
  const from = "safeconduct@example.org"
  return {
    push: { contact: "mailto:operator@example.org", network: "loopback" },
    email: { smtp: "127.0.0.1", port: mail.port, tls: "none", from },
    sms: { from: "+15005550006", accountSid: sms.accountSid, baseUrl: sms.url, network: "loopback" },
    order: ["push", "email", "sms"],
    fallbackSeconds: 3_600,
  }
}

async function verifyNumber(reach: TestReach, user: Id<"user">, contact: OwnContact & { kind: "sms" }): Promise<void> {
  const id = await reach.people.offer(user, contact, `${issuer}/me/notifications`)
  const code = /\b\d{6}\b/.exec(reach.sms.caught.all.at(-1)!.body)![0]
  if (!(await reach.people.confirm(user, id, code))) throw new Error("the code was not taken")
}
