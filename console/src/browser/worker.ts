/** What a service worker has of the browser, as far as this one uses it. */
type Worker = {
  registration: { showNotification(title: string, options: object): Promise<void> }
  clients: {
    matchAll(of: object): Promise<readonly Page[]>
    openWindow(url: string): Promise<unknown>
    claim(): Promise<void>
  }
  skipWaiting(): Promise<void>
  location: { origin: string }
  navigator: { setAppBadge?(count: number): Promise<void> }
  addEventListener(name: string, listen: (event: Happening) => void): void
}
type Page = { url: string; focus(): Promise<Page>; navigate(url: string): Promise<unknown> }
type Happening = {
  waitUntil(work: Promise<unknown>): void
  data?: { text(): string } | null
  notification?: { close(): void; data: unknown }
}
type Told = {
  title: string
  body: string
  navigate: string
  tag: string
  isSilent: boolean
  receipt: string | null
  badge: number
}

const worker = globalThis as unknown as Worker

worker.addEventListener("install", (event) => event.waitUntil(worker.skipWaiting()))
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()))

worker.addEventListener("push", (event) => event.waitUntil(show(read(event.data?.text() ?? ""))))

// A tap leads to a page and does nothing else: nobody decides on a lock screen.
worker.addEventListener("notificationclick", (event) => {
  event.notification?.close()
  event.waitUntil(lead(placeOf((event.notification?.data as { navigate?: unknown } | null)?.navigate)))
})

/** Every push is shown, also one that we do not understand: whoever allowed notifications was promised as much. */
async function show({ title, body, navigate, tag, isSilent, receipt, badge }: Told): Promise<void> {
  await worker.registration.showNotification(title, { body, tag, silent: isSilent, data: { navigate } })
  if (badge > 0) await worker.navigator.setAppBadge?.(badge).catch(() => undefined)
  // That it was shown, and no more: without cookies, and nobody waits for it.
  if (receipt !== null) await fetch(receipt, { method: "POST", credentials: "omit" }).catch(() => undefined)
}

/** Reads a message of ours (Declarative Web Push); of anything else nothing is shown that it says. */
function read(text: string): Told {
  const neutral = { title: "Safeconduct", body: "", navigate: placeOf(null), tag: "safeconduct" }
  try {
    const { web_push: version, notification, app_badge: badge } = JSON.parse(text) as Record<string, unknown>
    if (version !== 8030) throw new Error("another kind")
    const { title, body, navigate, tag, silent, data } = notification as Record<string, unknown>
    const { receipt = null } = (data ?? {}) as Record<string, unknown>
    return {
      title: String(title),
      body: String(body),
      navigate: placeOf(navigate),
      tag: String(tag),
      isSilent: silent === true,
      receipt: receipt === null ? null : ownUrl(receipt),
      badge: Number(badge) || 0,
    }
  } catch {
    return { ...neutral, isSilent: false, receipt: null, badge: 0 }
  }
}

/** Where a notification may lead: to a page of ours about approvals or about the person; else to the inbox. */
function placeOf(said: unknown): string {
  const url = ownUrl(said)
  const isOurs = url !== null && /^\/(approvals|me)(\/|$)/.test(new URL(url).pathname)
  return isOurs ? url : `${worker.location.origin}/approvals`
}

function ownUrl(said: unknown): string | null {
  const url = typeof said === "string" ? URL.parse(said, worker.location.origin) : null
  return url?.origin === worker.location.origin ? url.href : null
}

async function lead(url: string): Promise<void> {
  const pages = await worker.clients.matchAll({ type: "window" })
  const same = pages.find((page) => page.url === url)
  if (same !== undefined) await same.focus()
  else await worker.clients.openWindow(url)
}
