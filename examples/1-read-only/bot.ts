/**
 * A support bot that looks answers up in a database it has no key to. It has an identity (a join token, once); for each
 * conversation it opens a session and is lent a key that dies with it. No language model, so that the example needs none:
 * where a model would pick the article, this counts words.
 *
 *     SAFECONDUCT_JOIN_TOKEN=… node --conditions=source examples/1-read-only/bot.ts "What are your business hours?"
 */
import { argv } from "node:process"
import { connect, type Safeconduct } from "@safeconduct/sdk"
import pg from "pg"

/** Answers one question in a session of its own. The key is gone when this returns or throws. */
export async function answer(safeconduct: Safeconduct, question: string): Promise<string> {
  await using session = await safeconduct.open({ purpose: "answer-questions" })
  await using kb = await session.lease("kb", { operation: "read" })
  const client = new pg.Client(kb.settings)
  await client.connect()
  try {
    return await lookUp(client, question)
  } finally {
    await client.end()
  }
}

/** The article that shares the most words with the question. */
export async function lookUp(client: pg.Client, question: string): Promise<string> {
  const words = question.toLowerCase().match(/[a-z]{4,}/g) ?? []
  const { rows } = await client.query<{ answer: string }>(
    `select answer from articles, unnest($1::text[]) as word
      where question ilike '%' || word || '%' group by id, answer order by count(*) desc, id limit 1`,
    [words],
  )
  return rows[0]?.answer ?? "I do not know; a colleague will write to you."
}

if (import.meta.main) {
  await using safeconduct = await connect()
  console.log(await answer(safeconduct, argv[2] ?? "What are your business hours?"))
}
