export * from "@safeconduct/console/passkey"
