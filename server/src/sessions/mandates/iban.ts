/** An IBAN as it is printed (ISO 13616): groups of four characters, of which the last may be shorter. */
const printed = /(?<![^\s([{<"'‘’“”„«»`])[A-Za-z]{2}\d{2}(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,3})?(?![A-Za-z0-9])/g

/**
 * The text with every IBAN that was written in groups as one word, so that no group of it stands there by itself. Its check
 * digits keep other words from being taken into it.
 */
export function joinIbans(text: string): string {
  return text.replaceAll(printed, (groups) => {
    for (let end = groups.length; end > 0; end = groups.lastIndexOf(" ", end - 1)) {
      const joined = groups.slice(0, end).replaceAll(" ", "")
      if (isIban(joined)) return joined + groups.slice(end)
    }
    return groups
  })
}

/** In either case, without spaces; ISO 7064 MOD 97-10 over the number that ISO 13616 makes of it. ASCII alone. */
export function isIban(text: string): boolean {
  if (!/^[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}$/.test(text)) return false
  const digits = (text.slice(4) + text.slice(0, 4))
    .toUpperCase()
    .replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55))
  return BigInt(digits) % 97n === 1n
}
