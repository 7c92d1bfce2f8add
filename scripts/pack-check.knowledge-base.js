// A PostgreSQL for pack-check.sh to protect, from the published server package. Prints its superuser's URL; ends on SIGTERM.
import { removePostgres, silentLog, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"

const folder = process.argv[2]
const postgres = await startPostgres({ folder, isThrowaway: true, log: silentLog })
const url = new URL(postgres.superuserUrl)
await run("create database kb")
url.pathname = "/kb"
await run("create table faq (question text, answer text); insert into faq values ('opening hours', '9 to 5')")
console.log(url.href)
// A supervisor keeps no process alive.
const alive = setInterval(() => undefined, 60_000)
process.once("SIGTERM", async () => {
  clearInterval(alive)
  await postgres.stop()
  await removePostgres(folder)
})

async function run(sql) {
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  await client.query(sql)
  await client.end()
}
