// Copies what tsc does not emit (SQL, Cedar schemas, …) from a package's src into its dist, same layout.
// Run by a package's build, in its folder: node ../scripts/copy-sql.js
import { cpSync } from "node:fs"
import { basename, extname } from "node:path"

const LEFT_OUT = new Set(["testing", "house", "testdata"])

cpSync("src", "dist", {
  recursive: true,
  filter: (path) => !LEFT_OUT.has(basename(path)) && extname(path) !== ".ts",
})
