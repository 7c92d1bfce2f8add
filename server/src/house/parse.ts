import type { Node, SourceFile } from "typescript/unstable/ast"
import {
  isCallExpression,
  isExportDeclaration,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isStringLiteral,
  isTemplateExpression,
  isVariableStatement,
  ModifierFlags,
  SyntaxKind,
} from "typescript/unstable/ast"
import { API } from "typescript/unstable/sync"
import type { File } from "./tree.ts"

/** A module that a file names. `isType`: erased before the program runs. */
export type Import = { specifier: string; line: number; isType: boolean; isDynamic: boolean }

/** What the checks need to know of a TypeScript file. Lines count from 1. */
export type Parsed = {
  path: string
  lineCount: number
  imports: Import[]
  /** Declarations with `export` in front, and whether a doc comment stands right above. */
  exports: { name: string; line: number; isDocumented: boolean }[]
  /** String and template literals; `…` stands for each substitution. */
  texts: { text: string; line: number }[]
  /** Lines with the type `any`. */
  anys: number[]
  /** Every call and construction: `test.only`, `new Date`. */
  calls: { callee: string; line: number; argumentTexts: string[] }[]
}

/**
 * Parses files with the compiler's own parser, from memory: paths need not exist. The API is marked unstable; the
 * compiler's version is pinned exactly, and this is the only file that uses it (decisions/0006).
 */
export function parse(files: readonly File[]): Parsed[] {
  const root = "/house/"
  const config = { compilerOptions: { noLib: true, noResolve: true, types: [] }, files: files.map((file) => file.path) }
  const texts = new Map(files.map((file) => [root + file.path, file.text]))
  texts.set(`${root}tsconfig.json`, JSON.stringify(config))
  const api = new API({
    fs: {
      readFile: (path) => texts.get(path) ?? null,
      fileExists: (path) => texts.has(path),
      directoryExists: () => true,
    },
  })
  try {
    const program = api.updateSnapshot({ openProjects: [`${root}tsconfig.json`] }).getProjects()[0]?.program
    return files.map((file) => {
      const source = program?.getSourceFile(root + file.path)
      if (source === undefined) throw new Error(`${file.path} was not parsed`)
      return describe(file, source)
    })
  } finally {
    api.close()
  }
}

function describe(file: File, source: SourceFile): Parsed {
  const lineOf = (node: Node) => file.text.slice(0, node.getStart(source)).split("\n").length
  const parsed: Parsed = {
    path: file.path,
    lineCount: file.text.replace(/\n$/, "").split("\n").length,
    imports: [],
    exports: [],
    texts: [],
    anys: [],
    calls: [],
  }
  for (const statement of source.statements) {
    const name = exportedName(statement, source)
    if (name === null) continue
    const above = file.text.slice(statement.pos, statement.getStart(source))
    parsed.exports.push({ name, line: lineOf(statement), isDocumented: /\/\*\*[\s\S]*\*\/\s*$/.test(above) })
  }
  const visit = (node: Node): undefined => {
    const named = importOf(node, source)
    if (named !== null) parsed.imports.push({ ...named, line: lineOf(node) })
    else if (node.kind === SyntaxKind.AnyKeyword) parsed.anys.push(lineOf(node))
    else if (isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node)) {
      parsed.texts.push({ text: node.text, line: lineOf(node) })
    } else if (isTemplateExpression(node)) {
      const text = [node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join("…")
      parsed.texts.push({ text, line: lineOf(node) })
    }
    if (isCallExpression(node)) {
      const argumentTexts = node.arguments.map((argument) => argument.getText(source))
      parsed.calls.push({ callee: node.expression.getText(source), line: lineOf(node), argumentTexts })
    }
    if (isNewExpression(node)) {
      parsed.calls.push({ callee: `new ${node.expression.getText(source)}`, line: lineOf(node), argumentTexts: [] })
    }
    node.forEachChild(visit)
    return undefined
  }
  source.forEachChild(visit)
  return parsed
}

/** The module that this node names, else null. A computed dynamic import is named by its text. */
function importOf(node: Node, source: SourceFile): Omit<Import, "line"> | null {
  if (isImportDeclaration(node) && isStringLiteral(node.moduleSpecifier)) {
    const isType = node.importClause?.phaseModifier === SyntaxKind.TypeKeyword
    return { specifier: node.moduleSpecifier.text, isType, isDynamic: false }
  }
  if (isExportDeclaration(node) && node.moduleSpecifier !== undefined && isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, isType: node.isTypeOnly, isDynamic: false }
  }
  if (isImportTypeNode(node) && isLiteralTypeNode(node.argument) && isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, isType: true, isDynamic: false }
  }
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments
    const specifier = argument !== undefined && isStringLiteral(argument) ? argument.text : node.getText(source)
    return { specifier, isType: false, isDynamic: true }
  }
  return null
}

function exportedName(statement: Node, source: SourceFile): string | null {
  const { modifierFlags, name } = statement as Node & { modifierFlags?: number; name?: Node }
  if (((modifierFlags ?? 0) & ModifierFlags.Export) === 0) return null
  if (isVariableStatement(statement)) return statement.declarationList.declarations[0]!.name.getText(source)
  return name?.getText(source) ?? "default"
}
