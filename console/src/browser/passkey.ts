/** True where the browser can sign with passkeys. */
export function hasPasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential
}

/** Asks the person for their passkey's signature, with what the server sent. Throws what the browser does: NotAllowedError when they do not want to. */
export async function signWith(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON)
  return json(await navigator.credentials.get({ publicKey }))
}

/** Lets the person's device make a passkey, with what the server sent. */
export async function makePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON)
  return json(await navigator.credentials.create({ publicKey }))
}

/** True for what the person did not want, or did not do in time. */
export function isDeclined(error: unknown): boolean {
  return error instanceof DOMException && ["NotAllowedError", "AbortError"].includes(error.name)
}

function json(credential: Credential | null): unknown {
  if (!(credential instanceof PublicKeyCredential)) throw new TypeError("no passkey")
  return credential.toJSON()
}
