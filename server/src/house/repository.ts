import { matchesGlob, posix } from "node:path"
import { type File, isTest } from "./tree.ts"

/** What a package.json says that the checks read. */
export type Manifest = {
  name: string
  version?: string
  scripts?: Record<string, string>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

/** Sentences on workspace packages whose versions differ, or that ask for another version of each other than they have. */
export function checkVersions(packages: readonly Manifest[]): string[] {
  const [first] = packages
  const own = new Set(packages.map(({ name }) => name))
  return packages.flatMap(({ name, version, dependencies = {} }) => [
    ...(version === first?.version ? [] : [`${name} is ${version}, ${first?.name} is ${first?.version}`]),
    ...Object.entries(dependencies)
      .filter(([dependency, asked]) => own.has(dependency) && asked !== first?.version)
      .map(([dependency, asked]) => `${name} asks for ${dependency} ${asked}, but it is ${first?.version}`),
  ])
}

/** Sentences on dependencies that are not pinned to one version. */
export function checkPins(packages: readonly Manifest[]): string[] {
  return packages.flatMap(({ name, dependencies, devDependencies, optionalDependencies }) =>
    Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
      .filter(([, asked]) => !/^(npm:(@[\w-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(asked))
      .map(([dependency, asked]) => `${name} does not pin ${dependency}: ${asked}`),
  )
}

/** How many packages each may depend on at run time (STYLE.md, "Dependencies"). */
const MAX_DEPENDENCIES: Record<string, number> = {
  "@safeconduct/tlog": 0,
  "@safeconduct/sdk": 2,
  "@safeconduct/console": 0,
  "@safeconduct/server": 17,
  "@safeconduct/provider": 2,
  safeconduct: 5,
}

/** Sentences on packages that depend on more than they may. */
export function checkDependencyCount(packages: readonly Manifest[]): string[] {
  return packages.flatMap(({ name, dependencies = {} }) => {
    const [count, most] = [Object.keys(dependencies).length, MAX_DEPENDENCIES[name] ?? 0]
    return count <= most ? [] : [`${name} has ${count} dependencies, more than ${most}`]
  })
}

// Home folders and scratch folders exist on one machine; a registry's address on one network.
const MACHINE = new RegExp(
  `(?<![\\w.:~}-])/(${["work", "home", "Users", "root", "tmp"].join("|")})/[\\w.-]|https?://${"registry"}\\.`,
)

/** Sentences on text that names a path of one machine or the address of a registry. */
export function checkMachinePaths(files: readonly File[]): string[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) => {
      const found = MACHINE.exec(line)
      return found === null ? [] : [`${path}:${at + 1} names a place of one machine: ${found[0]}`]
    }),
  )
}

/** Sentences on `npm run …` in documents that package.json does not know. */
export function checkCommands(documents: readonly File[], scripts: Record<string, string>): string[] {
  return documents.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) =>
      [...line.matchAll(/npm (?:run ([\w:-]+)|(test|start))\b/g)]
        .map(([, run, alias]) => run ?? alias!)
        .filter((name) => !(name in scripts))
        .map((name) => `${path}:${at + 1} runs ${name}, which package.json does not know`),
    ),
  )
}

/** Sentences on links of documents to files that are not there. */
export function checkLinks(documents: readonly File[], exists: (path: string) => boolean): string[] {
  return documents.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) =>
      [...line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !exists(posix.join(posix.dirname(path), target)))
        .map((target) => `${path}:${at + 1} links to ${target}, which is not there`),
    ),
  )
}

/**
 * Sentences on TypeScript shown in a document that no compiled file holds: a reader must be able to run what he reads.
 * Compared paragraph by paragraph, so that the compiled file may say where a name comes from.
 */
export function checkExamples(documents: readonly File[], sources: readonly File[]): string[] {
  const compiled = sources.map(({ text }) => plain(text))
  const isCompiled = (part: string) =>
    compiled.some((source) =>
      /^import /.test(part) ? importedWords(part).every((word) => source.includes(word)) : source.includes(part),
    )
  return documents.flatMap(({ path, text }) =>
    [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)]
      .filter(([, code]) => !code!.split(/\n\n/).map(plain).every(isCompiled))
      .map(
        (match) => `${path}:${text.slice(0, match.index).split("\n").length} shows TypeScript that nothing compiles`,
      ),
  )
}

function plain(code: string): string {
  return code.replaceAll(/\s+/g, " ").trim()
}

/** Names and modules of imports, whose order is the formatter's. */
function importedWords(imports: string): string[] {
  return imports.match(/"[^"]+"|\b(?!(import|from|type)\b)\w+\b/g) ?? []
}

/** Sentences on files that only tests load and that a build would publish nevertheless. `exclude` is of its tsconfig.build.json. */
export function checkPublished(home: string, exclude: readonly string[], paths: readonly string[]): string[] {
  return paths
    .filter((path) => path.startsWith(`${home}/src/`) && (isTest(path) || path.startsWith("server/src/house/")))
    .filter(
      (path) =>
        !exclude.some((glob) => matchesGlob(path.slice(home.length + 1), glob.includes("*") ? glob : `${glob}/**`)),
    )
    .map((path) => `${path} would be published: exclude it in ${home}/tsconfig.build.json`)
}
