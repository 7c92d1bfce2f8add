// Writes the files of contract/ that come from the code: npm run contract. A test holds them equal.
import { writeFileSync } from "node:fs"
import { contractFiles } from "../server/src/house/contract.ts"
import { repositoryRoot } from "../server/src/house/tree.ts"

for (const [path, text] of Object.entries(contractFiles())) {
  writeFileSync(`${repositoryRoot}${path}`, text)
  console.log(`${path}: ${text.split("\n").length - 1} lines`)
}
