/**
 * The server's programs, loaded when a command needs them: they bring PostgreSQL's driver and Cedar along, and every other
 * command should start at once.
 */
export async function loadPrograms(): Promise<typeof import("@safeconduct/server/programs")> {
  return await import("@safeconduct/server/programs")
}
