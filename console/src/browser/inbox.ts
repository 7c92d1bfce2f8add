import { follow } from "./follow.ts"
import { say, wordsOf } from "./page.ts"

const list = document.querySelector<HTMLElement>("[data-inbox]")

if (list !== null) {
  const { state, known } = list.dataset
  follow(state!, known!, () => {
    // Whoever reads or tabs through the list is not thrown out of it.
    const isUsed = document.activeElement !== null && document.activeElement !== document.body
    if (isUsed) say(wordsOf(list)("changed"))
    else location.reload()
  })
}
