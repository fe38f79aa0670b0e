import dns, { type SrvRecord } from 'node:dns'
import { promisify } from 'node:util'
import { ConnectError } from '../errors.ts'
import { type Endpoint, endpointAt } from './endpoint.ts'
import { onAbort } from './opening.ts'

/**
 * Asks DNS for the servers of a domain: `_mqtt._tcp` for `mqtt+srv:`, `_secure-mqtt._tcp` for `mqtts+srv:` (the names
 * registered with IANA), in the order of their priority and, by weighted chance, within it. RFC 2782
 */
export async function resolveServers(endpoint: Endpoint, signal: AbortSignal): Promise<Endpoint[]> {
  const service = endpoint.kind === 'tls' ? '_secure-mqtt' : '_mqtt'
  const resolver = new dns.Resolver()
  // Those of the process. `dns.setServers` puts another `getServers` into the module, so it is asked for by its full name.
  resolver.setServers(dns.getServers())
  const unlisten = onAbort(signal, () => resolver.cancel())
  try {
    const resolve = promisify<string, SrvRecord[]>(resolver.resolveSrv.bind(resolver))
    const records = (await resolve(`${service}._tcp.${endpoint.host}`)).filter(({ name }) => name !== '')
    // The target "." says so. As a host, an empty name would be this machine.
    if (records.length === 0)
      throw new ConnectError(`The domain ${endpoint.host} says in DNS that it has no ${service} service`)
    return orderRecords(records, Math.random).map((record) => endpointAt(endpoint, record.name, record.port))
  } finally {
    unlisten()
  }
}

/** Priorities ascending; within one, a random order in which heavier records tend to come first. */
export function orderRecords(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const rest = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight)
  const ordered: SrvRecord[] = []
  while (rest.length > 0) {
    const priority = rest[0]?.priority
    const group = rest.filter((record) => record.priority === priority)
    const total = group.reduce((sum, record) => sum + record.weight, 0)
    let mark = random() * total
    const chosen = group.find((record) => {
      mark -= record.weight
      return mark <= 0
    })
    const next = chosen ?? group[group.length - 1]
    if (next === undefined) break
    ordered.push(next)
    rest.splice(rest.indexOf(next), 1)
  }
  return ordered
}
