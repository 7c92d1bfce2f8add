import { parseAgents } from "#agents"
import { parseApprovals } from "#approvals"
import { engines, parseResources } from "#credentials"
import { check, parseDocument, type Rehearsal, rehearsalOf } from "#gate"
import { parseJson } from "#kernel"
import { parsePart } from "#sessions"
import { placed, readDocument } from "./document.ts"

/** The configuration in a file, checked as apply would, without a server. Throws `policy-invalid` with file, line, column. */
export function readRehearsal(path: string): Rehearsal {
  try {
    return openRehearsal(readDocument(path))
  } catch (error) {
    throw placed(error, path)
  }
}

/** A configuration as a server has it in force (GET /v1/policy). */
export function openRehearsal(document: unknown): Rehearsal {
  const parsers = {
    sessions: { parse: parsePart },
    agents: { parse: parseAgents },
    approvals: { parse: (part: { approvals?: unknown }) => parseApprovals(part.approvals) },
    credentials: { parse: (part: unknown) => parseResources(engines, part) },
  }
  return rehearsalOf(check(parsers, parseDocument(parseJson(JSON.stringify(document)))))
}
