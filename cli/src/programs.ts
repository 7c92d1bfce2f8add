/**
 * The server's programs, loaded when a command needs them: they bring PostgreSQL's driver and Cedar along, and every other
 * command should start at once.
 */
export async function loadPrograms(): Promise<typeof import("@safeconduct/server/programs")> {
  return await import("@safeconduct/server/programs")
}

/** The embedded OpenID provider's package; null where it was left out of the installation, as in production. */
export async function loadProvider(): Promise<typeof import("@safeconduct/provider/program") | null> {
  try {
    return await import("@safeconduct/provider/program")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return null
    throw error
  }
}
