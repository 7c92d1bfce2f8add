import { fromBase64url } from "./bytes.ts"
import { say, wordsOf } from "./page.ts"

const form = document.querySelector<HTMLFormElement>("form[data-notify]")

if (form !== null) {
  const words = wordsOf(form)
  if ("serviceWorker" in navigator && "PushManager" in window) {
    form.querySelector<HTMLButtonElement>("button")!.disabled = false
  } else say(words("noPush"))
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    // Within the tap: browsers ask for the permission then only.
    subscribe(form).then(
      (isAllowed) => (isAllowed ? form.submit() : say(words("notAllowed"))),
      () => say(words("failed")),
    )
  })
}

/** Lets this browser be told, by its own push service. False when the person does not want to. */
async function subscribe(form: HTMLFormElement): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false
  const { worker = "/sw.js", key = "" } = form.dataset
  await navigator.serviceWorker.register(worker, { scope: "/" })
  const { pushManager } = await navigator.serviceWorker.ready
  const applicationServerKey = fromBase64url(key)
  const subscription =
    (await renewed(await pushManager.getSubscription(), applicationServerKey)) ??
    (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }))
  const field = form.elements.namedItem("subscription") as HTMLInputElement
  field.value = JSON.stringify(subscription.toJSON())
  return true
}

/** A subscription made for another key of the server's delivers nothing: it is given up. */
async function renewed(found: PushSubscription | null, key: Uint8Array): Promise<PushSubscription | null> {
  const ours = found?.options.applicationServerKey
  if (found === null || ours == null) return null
  const has = new Uint8Array(ours)
  if (has.length === key.length && has.every((byte, at) => byte === key[at])) return found
  await found.unsubscribe()
  return null
}
