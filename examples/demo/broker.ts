import { createServer, type Server, type Socket } from 'node:net'
import { Aedes } from 'aedes'

/** A whole MQTT broker in this process, on a free port of this machine. */
export interface EmbeddedBroker {
  readonly url: string
  close(): Promise<void>
}

export async function startBroker(): Promise<EmbeddedBroker> {
  const aedes = await Aedes.createBroker()
  mendSessions(aedes)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    aedes.handle(socket)
  })
  const port = await listen(server)
  return {
    url: `mqtt://127.0.0.1:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => aedes.close(resolve))
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** What aedes keeps of a QoS 2 message that a client has received: the PUBREL it owes. */
interface Release {
  readonly messageId: number
  readonly brokerId?: string
  readonly brokerCounter?: number
}

/**
 * Two mends of the store in memory of aedes 2.0.0-beta.1, both for clients that come back to a session. It tells messages apart by
 * `brokerId` and `brokerCounter`, which its PUBRELs lack: two of one client are taken for the same, and the message of the second is
 * sent again. And a message that is acknowledged while the kept ones are being sent again is "no such packet", at which the
 * connection is closed.
 */
export function mendSessions(aedes: Aedes): void {
  const { persistence } = aedes as unknown as {
    readonly persistence: { outgoingUpdate(client: unknown, packet: Release): Promise<void> }
  }
  const update = persistence.outgoingUpdate.bind(persistence)
  persistence.outgoingUpdate = async (client, packet) => {
    const told = packet.brokerId === undefined ? { brokerId: 'pubrel', brokerCounter: packet.messageId } : {}
    try {
      await update(client, Object.assign(packet, told))
    } catch (error) {
      if (!(error instanceof Error && error.message === 'no such packet')) throw error
    }
  }
}

/** Listens on a free port of this machine and says which. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}
