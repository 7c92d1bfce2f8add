import { countDown, follow } from "./follow.ts"
import { postJson, Refused, say, wordsOf } from "./page.ts"
import { hasPasskeys, isDeclined, signWith } from "./passkey.ts"
import { cardsIn, requireShown, type ToSign } from "./shown.ts"

const form = document.querySelector<HTMLFormElement>("form[data-decide]")
const left = document.querySelector<HTMLElement>("[data-left]")

if (form !== null) {
  const { state, known } = form.dataset
  if (state !== undefined && known !== undefined) follow(state, known, () => location.reload())
  const sign = form.querySelector<HTMLButtonElement>("[data-sign]")
  if (sign !== null) offerToSign(form, sign)
}
if (left !== null) countDown(left, { soon: sayHowToStay, over: () => setTimeout(() => location.reload(), 1000) })

/** WCAG 2.2, 2.2.1: whoever has little time left hears of it, and how to have more. */
function sayHowToStay(): void {
  const more = form?.querySelector<HTMLElement>("[data-more]")
  if (form === null || more == null) return
  more.hidden = false
  if (document.querySelector<HTMLElement>("[data-say]")?.hidden) say(wordsOf(form)("soon"))
}

/** Approving begins when the whole card was in sight; until then its button leads there. */
function offerToSign(form: HTMLFormElement, button: HTMLButtonElement): void {
  const words = wordsOf(form)
  if (!hasPasskeys()) {
    say(words("noPasskeys"))
    return
  }
  let isSeen = false
  let isSigning = false
  const end = form.querySelector<HTMLElement>("[data-end]")!
  button.disabled = false
  button.setAttribute("aria-disabled", "true")
  const unseen = document.querySelector<HTMLElement>("[data-unseen]")!
  unseen.hidden = false
  const seen = () => {
    isSeen = true
    observer.disconnect()
    button.removeAttribute("aria-disabled")
    unseen.remove()
    button.removeAttribute("aria-describedby")
  }
  // The bar with the buttons covers the lower edge: what is behind it is not in sight.
  const bar = button.closest<HTMLElement>("[data-bar]")!
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) seen()
    },
    {
      rootMargin: `0px 0px -${bar.offsetHeight}px 0px`,
    },
  )
  observer.observe(end)
  end.addEventListener("focus", seen)

  form.addEventListener("submit", (event) => {
    if (event.submitter !== button) return
    event.preventDefault()
    if (isSigning) return
    if (!isSeen) {
      end.focus({ preventScroll: true })
      end.scrollIntoView({ block: "center" })
      return
    }
    isSigning = true
    say(words("signing"))
    signAndSend(form)
      .catch((error: unknown) => say(problemOf(error, words)))
      .finally(() => {
        isSigning = false
      })
  })
}

/** Signs what was chosen and sends the form with the signature in it. */
async function signAndSend(form: HTMLFormElement): Promise<void> {
  const bounds = boundsIn(form)
  const cards = cardsIn(form).filter(({ approval }) => isChosen(form, approval))
  const body = { form: form.dataset["token"], locale: form.dataset["locale"], bounds }
  const items = cards.map(({ approval }) => approval)
  const asked = await postJson(form.dataset["challenge"]!, { ...body, items })
  const { statements, options } = asked as { statements: string[]; options: { challenge: string } }
  const toSign: ToSign = { statements, challenge: options.challenge }
  await requireShown(toSign, { cards, bounds, origin: location.origin })
  const assertion = await signWith(options)
  const field = form.elements.namedItem("response") as HTMLInputElement
  field.value = JSON.stringify(assertion)
  const left = form.elements.namedItem("bounds") as HTMLInputElement
  left.value = bounds === null ? "" : JSON.stringify(bounds)
  const decision = form.elements.namedItem("signed") as HTMLInputElement
  decision.disabled = false
  form.submit()
}

function isChosen(form: HTMLFormElement, approval: string): boolean {
  const box = form.elements.namedItem(`item-${approval}`)
  return !(box instanceof HTMLInputElement) || box.type !== "checkbox" || box.checked
}

type Bounds = { [name: string]: unknown }

/** What the person set, where they allow more of the kind; null for exactly once. A field is `uses`, or a member and an argument. */
function boundsIn(form: HTMLFormElement): Bounds | null {
  const part = form.querySelector<HTMLDetailsElement>("details[data-bounds]")
  if (part === null || !part.open) return null
  const bounds = JSON.parse(part.dataset["bounds"]!) as Bounds
  for (const field of part.querySelectorAll<HTMLInputElement>("input[data-bound]")) {
    const [member, argument] = field.dataset["bound"]!.split(" ") as [string, string?]
    if (argument === undefined) bounds[member] = field.valueAsNumber
    else (bounds[member] as Bounds)[argument] = field.valueAsNumber
  }
  return bounds
}

function problemOf(error: unknown, words: (name: string) => string): string {
  if (error instanceof Refused) return error.message
  if (isDeclined(error)) return words("declined")
  return `${words("mismatch")} (${error instanceof Error ? error.message : "?"})`
}
