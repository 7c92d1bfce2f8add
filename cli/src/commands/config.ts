import type { Command } from "commander"
import { noun, styleOf, verb } from "../command.ts"
import { printRows } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

/** Configuration of the process: where each value comes from. */
export function addConfig(program: Command): void {
  const config = noun(program, "config", "Look at the server's configuration")
  withSettings(
    verb(config, "explain", "Show each setting, its value and where the value came from", [
      "safeconduct config explain",
      "SAFECONDUCT_TRUST_DOMAIN=example.com safeconduct config explain --json",
    ]),
  ).action(async (_options, command: Command) => {
    const { readConfiguration, settings, shown } = await loadPrograms()
    const configuration = readConfiguration(givenSettings(command))
    const names = Object.keys(settings) as (keyof typeof settings)[]
    const rows = names.map((name) => ({
      setting: name,
      value: shown(name, configuration[name]),
      origin: configuration.origins[name],
      variable: settings[name].variable,
      summary: settings[name].summary,
    }))
    printRows(rows, ["setting", "value", "origin", "variable"], styleOf(command))
  })
}
