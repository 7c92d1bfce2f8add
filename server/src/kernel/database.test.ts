import assert from "node:assert/strict"
import { connect, createServer, type Server, type Socket } from "node:net"
import { test } from "node:test"
import { type Database, openDatabase, sqlState, verifiedUrl } from "#kernel"
import { testDatabase } from "#testing"

const unavailable = { name: "Refusal", code: "store-unavailable" }

test("a transaction that returns is kept, and one that throws is not", async () => {
  await using store = await withTable()
  const answer = await store.owner.transaction(async (tx) => {
    await tx.query("insert into toy values (1)")
    return "kept"
  })
  assert.equal(answer, "kept")
  const error = new Error("changed my mind")
  await assert.rejects(
    store.owner.transaction(async (tx) => {
      await tx.query("insert into toy values (2)")
      throw error
    }),
    error,
  )
  assert.deepEqual(await numbers(store.owner), [1])
})

test("a transaction whose work hides a failed statement does not pass for committed", async () => {
  await using store = await withTable()
  await assert.rejects(
    store.owner.transaction(async (tx) => {
      await tx.query("insert into toy values (1)")
      await tx.query("insert into toy values (1)").catch(() => undefined)
    }),
    /rolled back/,
  )
  assert.deepEqual(await numbers(store.owner), [])
})

test("an error that PostgreSQL reports keeps its SQLSTATE", async () => {
  await using store = await withTable()
  const error = await store.owner.query("select 1/0").catch((thrown: unknown) => thrown)
  assert.equal(sqlState(error), "22012")
  assert.equal(sqlState(Object.assign(new Error("broken pipe"), { code: "EPIPE" })), null)
})

test("a backend terminated in mid-transaction is store-unavailable, keeps nothing, and the next query works", async () => {
  await using store = await withTable()
  await assert.rejects(
    store.owner.transaction(async (tx) => {
      await tx.query("insert into toy values (1)")
      const [{ pid }] = (await tx.query<{ pid: number }>("select pg_backend_pid() as pid")) as [{ pid: number }]
      await store.owner.query("select pg_terminate_backend($1, 5000)", [pid])
      await tx.query("insert into toy values (2)")
    }),
    unavailable,
  )
  assert.deepEqual(await numbers(store.owner), [])
})

test("a database that is down is store-unavailable, and is used again when it is back", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  await using database = openDatabase({ url: link.url })
  assert.deepEqual(await numbers(database), [])
  link.cut()
  await assert.rejects(database.query("select 1"), unavailable)
  await assert.rejects(
    database.transaction((tx) => tx.query("select 1")),
    unavailable,
  )
  await link.restore()
  assert.deepEqual(await numbers(database), [])
  await database.transaction((tx) => tx.query("insert into toy values (1)"))
  assert.deepEqual(await numbers(store.owner), [1])
})

test("a connection that breaks in mid-transaction is store-unavailable", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  await using database = openDatabase({ url: link.url })
  await assert.rejects(
    database.transaction(async (tx) => {
      await tx.query("insert into toy values (1)")
      link.cut()
      await tx.query("insert into toy values (2)")
    }),
    unavailable,
  )
  assert.deepEqual(await numbers(store.owner), [])
})

test("a statement that takes too long is cancelled, and refused as what it is", async () => {
  await using store = await withTable()
  await using database = openDatabase({ url: store.ownerUrl, statementTimeoutMs: 50 })
  await assert.rejects(database.query("select pg_sleep(60)"), { ...unavailable, message: /in time/ })
})

test("a transaction that waits for somebody's lock ends, and its connection is not asked again", async () => {
  await using store = await withTable()
  await using database = openDatabase({ url: store.ownerUrl, statementTimeoutMs: 200 })
  await store.owner.query("insert into toy values (1)")
  await store.owner.transaction(async (holder) => {
    await holder.query("update toy set n = 2")
    await assert.rejects(
      database.transaction((tx) => tx.query("update toy set n = 3")),
      { ...unavailable, message: /in time/ },
    )
  })
  assert.deepEqual(await numbers(database), [2])
})

test("a database that takes connections and never answers is refused within its deadline, and used again", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  await using database = openDatabase({ url: link.url, statementTimeoutMs: 100 })
  assert.deepEqual(await numbers(database), [])
  link.stall()
  const work = [database.query("select 1"), database.transaction(async (tx) => tx.query("insert into toy values (1)"))]
  for (const each of await Promise.allSettled(work)) {
    assert.equal(each.status === "rejected" && each.reason.code, "store-unavailable")
  }
  link.cut()
  await link.restore()
  assert.deepEqual(await numbers(database), [])
})

test("a COMMIT that never answers is refused, whatever became of it", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  await using database = openDatabase({ url: link.url, statementTimeoutMs: 100 })
  await assert.rejects(
    database.transaction(async (tx) => {
      await tx.query("insert into toy values (1)")
      link.stall()
    }),
    unavailable,
  )
})

test("a database that takes no writes is refused with what to do", async () => {
  await using store = await withTable()
  await assert.rejects(
    store.owner.transaction(async (tx) => {
      await tx.query("set transaction read only")
      await tx.query("insert into toy values (1)")
    }),
    { ...unavailable, message: /primary/ },
  )
})

test("no more than some thousand callers wait for a connection", async () => {
  await using store = await withTable()
  await using database = openDatabase({ url: store.ownerUrl, maxConnections: 1 })
  const release = Promise.withResolvers<void>()
  const holding = database.transaction(() => release.promise)
  const asked = Array.from({ length: 1_100 }, () => database.query("select 1"))
  const first = await Promise.race(asked.map((each) => each.catch((error: { code: string }) => error.code)))
  assert.equal(first, "overloaded")
  release.resolve()
  await holding
  const codes = (await Promise.allSettled(asked)).map((each) => (each.status === "rejected" ? each.reason.code : "ok"))
  assert.deepEqual([...new Set(codes)].toSorted(), ["ok", "overloaded"])
})

test("whole numbers come as numbers, and one beyond the safe integers does not come at all", async () => {
  await using store = await withTable()
  assert.deepEqual(await store.owner.query("select 9007199254740991::bigint as n"), [{ n: 9_007_199_254_740_991 }])
  await assert.rejects(store.owner.query("select 9007199254740993::bigint as n"), RangeError)
  assert.deepEqual(await numbers(store.owner), [])
})

test("a listener hears notices, and once after every reconnect", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  await using database = openDatabase({ url: link.url })
  const heard = inbox()
  await using _listening = await database.listen("toy", heard.put)
  assert.equal(await heard.take(), "")
  await store.owner.query("select pg_notify('toy', 'one')")
  assert.equal(await heard.take(), "one")
  link.cut()
  await store.owner.query("select pg_notify('toy', 'missed')")
  await link.restore()
  assert.equal(await heard.take(), "")
  await store.owner.query("select pg_notify('toy', 'two')")
  assert.equal(await heard.take(), "two")
})

test("a listener that begins while the database is down hears when it is up", async () => {
  await using store = await withTable()
  await using link = await openLink(store.ownerUrl)
  link.cut()
  await using database = openDatabase({ url: link.url })
  const heard = inbox()
  await using _listening = await database.listen("toy", heard.put)
  await link.restore()
  assert.equal(await heard.take(), "")
})

test("a listener that was disposed of leaves no connection", async () => {
  await using store = await withTable()
  const listening = await store.owner.listen("toy", () => undefined)
  await listening[Symbol.asyncDispose]()
  for (;;) {
    const open = await store.owner.query(
      "select 1 from pg_stat_activity where datname = current_database() and application_name like '%listen'",
    )
    if (open.length === 0) break
  }
})

async function withTable() {
  const store = await testDatabase()
  await store.owner.query("create table toy (n int primary key)")
  return store
}

async function numbers(database: Database): Promise<number[]> {
  return (await database.query<{ n: number }>("select n from toy order by n")).map(({ n }) => n)
}

function inbox() {
  const arrived: string[] = []
  let wake = () => {}
  return {
    put: (text: string) => {
      arrived.push(text)
      wake()
    },
    async take(): Promise<string> {
      while (arrived.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return arrived.shift()!
    },
  }
}

/** A way to the database that can be cut and restored, as seen from the client: connections reset, then refused. */
async function openLink(url: string) {
  const target = new URL(url)
  const port = Number(target.port)
  const sockets = new Set<Socket>()
  let server: Server | undefined
  let isStalled = false
  const listen = async (at: number) => {
    const next = createServer((client) => {
      const upstream = connect(port, "127.0.0.1")
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("close", () => {
          client.destroy()
          upstream.destroy()
        })
      }
      client.on("data", (part) => isStalled || upstream.write(part))
      upstream.on("data", (part) => isStalled || client.write(part))
    })
    await new Promise<void>((resolve) => next.listen(at, "127.0.0.1", resolve))
    server = next
    return (next.address() as { port: number }).port
  }
  const cut = () => {
    server?.close()
    for (const socket of sockets) socket.resetAndDestroy()
    sockets.clear()
  }
  const own = await listen(0)
  target.port = String(own)
  return {
    url: target.href,
    cut,
    /** From now on nothing arrives at either side, and nobody is told. */
    stall: () => {
      isStalled = true
    },
    restore: () => {
      isStalled = false
      return listen(own)
    },
    async [Symbol.asyncDispose]() {
      cut()
    },
  }
}

test("a database elsewhere is reached over verified TLS unless its URL says otherwise", () => {
  const at = "postgres://u:p@db.example.com/x"
  assert.equal(verifiedUrl(at), `${at}?sslmode=verify-full`)
  assert.equal(
    verifiedUrl("postgres:///x?host=db.example.com"),
    "postgres:///x?host=db.example.com&sslmode=verify-full",
  )
  for (const same of [
    `${at}?sslmode=disable`,
    `${at}?ssl=true`,
    "postgres://u:p@127.0.0.1:5432/x",
    "postgres://u:p@localhost/x",
    "postgres://u:p@[::1]/x",
    "postgres:///x?host=/run/postgresql",
  ]) {
    assert.equal(verifiedUrl(same), same)
  }
})

test("a database elsewhere that speaks no TLS is not spoken to", async () => {
  // 127.0.0.1 under a name that is not loopback's own.
  await using store = await testDatabase()
  const url = new URL(store.ownerUrl)
  url.hostname = "0.0.0.0"
  await using database = openDatabase({ url: url.href })
  await assert.rejects(database.query("select 1"), /SSL|TLS/)
})
