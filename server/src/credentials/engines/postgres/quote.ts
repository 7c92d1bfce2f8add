import pg from "pg"

/** Quotes a name for a statement. */
export const name = pg.escapeIdentifier
/** Quotes a text for a statement; statements on roles take no parameters. */
export const literal = pg.escapeLiteral
