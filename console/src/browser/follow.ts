const EVERY_MS = 3_000

/** Asks a path of ours every few seconds, while the page is looked at, and calls back once when its answer is another one. */
export function follow(path: string, known: string, changed: () => void): void {
  let isOver = false
  const look = async () => {
    if (isOver || document.hidden) return
    const response = await fetch(path, { headers: { accept: "application/json" }, redirect: "error" })
    const { state } = (await response.json()) as { state?: string }
    if (!response.ok || state === undefined || state === known || isOver) return
    isOver = true
    clearInterval(timer)
    changed()
  }
  // What cannot be asked now is asked again: the page says for itself until when it is good.
  const timer = setInterval(() => void look().catch(() => undefined), EVERY_MS)
  document.addEventListener("visibilitychange", () => void look().catch(() => undefined))
}

/** How many seconds are left when it is said that few are: 20 at the least (WCAG 2.2, 2.2.1). */
const SOON_SECONDS = 60

/** Counts the seconds of `[data-left]` down, in words that the server gave; calls back when few are left, and at their end. */
export function countDown(element: HTMLElement, { soon, over }: { soon: () => void; over: () => void }): void {
  const endMs = performance.now() + Number(element.dataset["left"]) * 1000
  let isSoon = false
  const tick = () => {
    const left = Math.max(0, Math.ceil((endMs - performance.now()) / 1000))
    element.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`
    if (left < SOON_SECONDS && !isSoon) {
      isSoon = true
      soon()
    }
    if (left > 0) return
    clearInterval(timer)
    over()
  }
  const timer = setInterval(tick, 1000)
  tick()
}
