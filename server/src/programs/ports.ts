import { type Reserved, reserve } from "#api"
import { addressOf, type Configuration, parseAddress } from "./configuration.ts"

/** The listeners' ports, ours from now on. */
export type Ports = AsyncDisposable & { agents: Reserved; web: Reserved; ops: Reserved }

/** Takes all ports, or none. Before anything else, because the issuer's URL stands in every token and may hold one. */
export async function takePorts(configuration: Configuration): Promise<Ports> {
  await using stack = new AsyncDisposableStack()
  const take = async (address: string) => stack.use(await reserve(parseAddress(address)))
  const agents = await take(configuration.agentsAddress)
  const web = await take(configuration.webAddress)
  const ops = await take(configuration.opsAddress)
  const owned = stack.move()
  return { agents, web, ops, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** The configuration with the ports that the system chose, wherever it has a 0 for one. */
export function withPorts(configuration: Configuration, { agents, web, ops }: Ports): Configuration {
  return {
    ...configuration,
    agentsAddress: addressOf(agents),
    webAddress: addressOf(web),
    opsAddress: addressOf(ops),
    agentsUrl: named(configuration.agentsUrl, agents.port),
    issuer: named(configuration.issuer, web.port),
  }
}

function named(url: string, port: number): string {
  return url.replace(/:0(?=\/|$)/, `:${port}`)
}
