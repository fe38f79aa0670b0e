import type { Client } from 'mqtt-await/compat'
import type { PeerConnection, ScriptedPeer } from './scripted-peer.ts'

/** Connects a client and runs its loop in the background. Gives the other side of the connection; its CONNECT has been read. */
export async function online(
  client: Client,
  peer: ScriptedPeer,
  connack: string = '20020000',
): Promise<PeerConnection> {
  const connected = new Promise<void>((resolve) => {
    const before = client.on_connect
    client.on_connect = (...args) => {
      client.on_connect = before
      before?.(...args)
      resolve()
    }
  })
  await client.connect('127.0.0.1', peer.port)
  client.loop_start()
  const connection = await peer.accept()
  await connection.packet()
  connection.send(connack)
  await connected
  return connection
}
