/** A refusal of the server's, in its words. */
export class Refused extends Error {
  /** Its stable code. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Sends JSON to a path of ours and reads the answer. Throws `Refused`, with the server's sentence. */
export async function postJson(path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
    redirect: "error",
  })
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>
  if (response.ok) return answer
  throw new Refused(String(answer["code"] ?? "internal"), String(answer["detail"] ?? response.statusText))
}

/** Words that the server put into the page, in its language. */
export function wordsOf(element: HTMLElement): (name: string) => string {
  const words = JSON.parse(element.dataset["words"] ?? "{}") as Record<string, string>
  return (name) => words[name] ?? name
}

/** Says something where a screen reader hears of it too; an empty text takes it away. */
export function say(text: string): void {
  const place = document.querySelector<HTMLElement>("[data-say]")
  if (place === null) return
  place.textContent = text
  place.hidden = text === ""
}

/** The value of a form's hidden field, which proves that the form is ours. */
export function tokenOf(form: HTMLFormElement): string {
  return String(new FormData(form).get("form") ?? "")
}
