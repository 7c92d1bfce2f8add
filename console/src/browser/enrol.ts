import { base64url, fromBase64url, joined, sha256, utf8 } from "./bytes.ts"
import { postJson, Refused, say, tokenOf, wordsOf } from "./page.ts"
import { hasPasskeys, isDeclined, makePasskey, signWith } from "./passkey.ts"

const form = document.querySelector<HTMLFormElement>("form[data-enrol]")

if (form !== null) {
  const words = wordsOf(form)
  if (hasPasskeys()) form.querySelector<HTMLButtonElement>("button")!.disabled = false
  else say(words("noPasskeys"))
  let isMaking = false
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (isMaking) return
    isMaking = true
    say(words("making"))
    enrol(form)
      .catch((error: unknown) => {
        if (error instanceof Refused) return say(error.message)
        say(isDeclined(error) ? words("declined") : words("failed"))
      })
      .finally(() => {
        isMaking = false
      })
  })
}

/** Has a passkey made and, where the person has one already, lets that one vouch for it; then sends the form with both in it. */
async function enrol(form: HTMLFormElement): Promise<void> {
  const { options: path = "", vouching: vouchingPath } = form.dataset
  const { options } = await postJson(path, { form: form.dataset["token"] ?? tokenOf(form) })
  const answer = (await makePasskey(options)) as Registration
  set(form, "answer", answer)
  if (vouchingPath !== undefined) {
    say(wordsOf(form)("vouching"))
    const asked = await postJson(vouchingPath, { form: form.dataset["vouchingToken"], answer })
    const { challenge } = asked["options"] as { challenge: string }
    if (challenge !== (await vouchingChallenge(answer))) throw new Error("another key would be vouched for")
    set(form, "vouching", await signWith(asked["options"]))
  }
  form.submit()
}

type Registration = { response: { clientDataJSON: string; attestationObject: string } }

/** What an older key signs for a newer one: everything that the newer one's device said. */
async function vouchingChallenge({ response }: Registration): Promise<string> {
  const parts = [response.clientDataJSON, response.attestationObject].map((part) => sha256(fromBase64url(part)))
  return base64url(await sha256(joined(utf8("safeconduct/passkey/1\0"), ...(await Promise.all(parts)))))
}

function set(form: HTMLFormElement, name: string, value: unknown): void {
  const field = form.elements.namedItem(name) as HTMLInputElement
  field.value = JSON.stringify(value)
}
