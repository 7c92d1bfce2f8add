import { z } from "zod"
import { type OneActionDetail, oneActionDetails } from "#agents"
import type { HeldAction } from "#approvals"
import { type Json, parseJson, Refusal } from "#kernel"
import { type Action, actionSchema } from "../action.ts"

/**
 * The one action that authorization details ask for: JSON text, or what stands in a signed request. What is handed on to others
 * is not asked for so. Throws `details-invalid`.
 */
export function actionOf(given: Json): Action {
  try {
    const [detail] = z.tuple([oneActionDetails]).parse(typeof given === "string" ? parseJson(given) : given)
    const [, type, operation] = /^(tool|sql|http|credential):(.+)$/.exec(detail.actions[0]!) ?? []
    return actionSchema.parse({ type, operation, resource: detail.locations[0], arguments: detail.arguments })
  } catch (cause) {
    const what = "one detail of the type safeconduct_one_action: actions and locations of one name each, and arguments"
    throw new Refusal("details-invalid", `authorization_details is a list of ${what}.`, { cause })
  }
}

/** True for what actionOf() takes. */
export function isOneAction(given: Json): boolean {
  try {
    return actionOf(given) !== null
  } catch {
    return false
  }
}

/** What was granted, of an action that was approved. */
export function detailOf({ type, operation, resource, arguments: given }: HeldAction): OneActionDetail {
  const actions = [`${type}:${operation}`]
  return { type: "safeconduct_one_action", actions, locations: [resource], arguments: given }
}
