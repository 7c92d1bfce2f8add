import type { z } from "zod"
import { type Json, parseJson, Refusal } from "#kernel"

const MAX_BODY_BYTES = 64 * 1024

/** The request's JSON body, parsed and checked. Throws `unsupported-media-type`, `body-too-large`, `malformed-json`, `invalid-request`. */
export async function readJsonBody<Body>(request: Request, schema: z.ZodType<Body>): Promise<Body> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase()
  const text = await readText(request)
  if (text === "") return validate(schema, {}, "body")
  if (type !== "application/json") {
    throw new Refusal("unsupported-media-type", "Send the body as application/json.")
  }
  return validate(schema, parseJson(text), "body")
}

/** The form body of an OAuth request (RFC 6749 §3.2): a parameter sent twice is refused. */
export async function readFormBody<Body>(request: Request, schema: z.ZodType<Body>): Promise<Body> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase()
  if (type !== "application/x-www-form-urlencoded") {
    throw new Refusal("unsupported-media-type", "Send the body as application/x-www-form-urlencoded.")
  }
  return validate(schema, single(new URLSearchParams(await readText(request))), "body")
}

/** The query's parameters; one sent twice is refused, and so is any on a route that declares none. */
export function readQuery(url: URL, schema: z.ZodType<Record<string, string>> | undefined): Record<string, string> {
  const values = single(url.searchParams)
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

function validate<T>(schema: z.ZodType<T>, value: Json | Record<string, string>, where: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = [where, ...issue.path].join(".")
  throw new Refusal("invalid-request", `${path}: ${issue.message}`, { detail: { path } })
}

async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  if (request.body === null) return ""
  const parts: Uint8Array[] = []
  let total = 0
  for await (const part of request.body) {
    total += part.byteLength
    if (total > MAX_BODY_BYTES) throw tooLarge()
    parts.push(part)
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts))
  } catch (cause) {
    throw new Refusal("malformed-json", "The body is not UTF-8.", { cause })
  }
}

function tooLarge(): Refusal {
  return new Refusal("body-too-large", `The body is larger than ${MAX_BODY_BYTES} bytes.`)
}

function clip(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}
