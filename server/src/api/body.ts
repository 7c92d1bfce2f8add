import { z } from "zod"
import { type Json, parseJson, Refusal, type Route } from "#kernel"

const MAX_BODY_BYTES = 64 * 1024
/** Of what a refusal repeats: names in a body are the caller's, and as long as it likes. */
const MAX_REPEATED = 300

/** What a route says of its body beside the schema. */
type BodyRules = Pick<Route, "maxBodyBytes" | "isOtherTypeBad">

/** The request's JSON body, parsed and checked. Throws `unsupported-media-type`, `body-too-large`, `malformed-json`, `invalid-request`. */
export async function readJsonBody<Body>(
  request: Request,
  schema: z.ZodType<Body>,
  { maxBodyBytes, isOtherTypeBad = false }: BodyRules = {},
): Promise<Body> {
  const text = await readText(request, maxBodyBytes)
  if (text === "") return validate(schema, {}, "body")
  requireType(request, "application/json", isOtherTypeBad ? "invalid-request" : "unsupported-media-type")
  return validate(schema, parseJson(text), "body")
}

/** For a route without a body: nothing, or an empty object, because some clients always send one. */
export async function readNoBody(request: Request): Promise<undefined> {
  const { method, headers } = request
  const hasBody = headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0
  // RFC 9110 §9.3.1: content in a GET has no meaning, and what stands in front of us may take it for the next request.
  if (hasBody && (method === "GET" || method === "HEAD")) throw new Refusal("invalid-request", "GET takes no body.")
  await readJsonBody(request, z.strictObject({}))
}

/** The form body of an OAuth request (RFC 6749 §3.2): a parameter sent twice is refused, one without a value was not sent. */
export async function readFormBody<Body>(request: Request, schema: z.ZodType<Body>): Promise<Body> {
  requireType(request, "application/x-www-form-urlencoded")
  const sent = Object.entries(single(new URLSearchParams(await readText(request))))
  return validate(schema, Object.fromEntries(sent.filter(([, value]) => value !== "")), "body")
}

/** The query's parameters; one sent twice is refused, and so is any on a route that declares none. */
export function readQuery(url: string, schema: z.ZodType<Record<string, string>> | undefined): Record<string, string> {
  const values = url.includes("?") ? single(new URL(url).searchParams) : {}
  if (schema !== undefined) return validate(schema, values, "query")
  const [unknown] = Object.keys(values)
  if (unknown !== undefined)
    throw new Refusal("invalid-request", `This route takes no query parameter (${clip(unknown)}).`)
  return {}
}

function single(parameters: URLSearchParams): Record<string, string> {
  const values: Record<string, string> = Object.create(null)
  for (const [name, value] of parameters) {
    if (name in values) throw new Refusal("invalid-request", `The parameter ${clip(name)} was sent twice.`)
    values[name] = value
  }
  return { ...values }
}

function validate<T>(schema: z.ZodType<T>, value: Json, where: string): T {
  refuseNul(value, where)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = [where, ...issue.path].join(".").slice(0, MAX_REPEATED)
  throw new Refusal("invalid-request", `${path}: ${issue.message.slice(0, MAX_REPEATED)}`, { detail: { path } })
}

/** PostgreSQL stores no U+0000, and would say so only in the middle of a change. */
function refuseNul(value: Json, where: string): void {
  if (typeof value === "string" && value.includes("\0")) {
    throw new Refusal("invalid-request", `${where}: the character U+0000 is not taken.`)
  }
  if (typeof value !== "object" || value === null) return
  for (const [name, item] of Object.entries(value)) {
    refuseNul(name, where)
    refuseNul(item, where)
  }
}

function requireType(
  { headers }: Request,
  expected: string,
  code: "unsupported-media-type" | "invalid-request" = "unsupported-media-type",
): void {
  const [type, ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";")
  // RFC 8259 §8.1: JSON is UTF-8. Another charset would have been read by somebody else as another text.
  const isUtf8 = parameters.every((each) => !/^\s*charset\s*=/.test(each) || /=\s*"?utf-8"?\s*$/.test(each))
  const isPlain = /^(identity)?$/i.test(headers.get("content-encoding") ?? "")
  if (type?.trim() === expected && isUtf8 && isPlain) return
  throw new Refusal(code, `Send the body as ${expected}, in UTF-8 and not compressed.`)
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

async function readText(request: Request, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const bytes = await readBytes(request, maxBytes)
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Refusal("malformed-json", "The body is not UTF-8.", { cause })
  }
}

/** A client that goes away in the middle is no mistake of ours. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  try {
    return await (request.headers.has("content-length")
      ? readDeclared(request, maxBytes)
      : readStreamed(request, maxBytes))
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Refusal("invalid-request", "The body broke off.", { cause })
  }
}

/** Node reads no more than was declared, so that this needs no stream, which costs as much as all the rest of a request. */
async function readDeclared(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes)
  const bytes = new Uint8Array(await request.arrayBuffer())
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

async function readStreamed({ body }: Request, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const part of body ?? []) {
    total += part.byteLength
    if (total > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal("body-too-large", `The body is larger than ${maxBytes} bytes.`)
}

function clip(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}
