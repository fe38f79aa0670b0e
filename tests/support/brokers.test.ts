import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { describeMosquitto, Mosquitto, startAedes } from './brokers.ts'

/** MQTT 3.1.1, clean session, client id "x". */
const CONNECT = Buffer.from('100d00044d51545404020000000178', 'hex')

async function firstAnswer(port: number): Promise<string> {
  const socket = connect(port, 'localhost')
  socket.write(CONNECT)
  const [data] = await once(socket, 'data')
  socket.destroy()
  return (data as Buffer).toString('hex')
}

test('aedes answers CONNECT', async () => {
  await using broker = await startAedes()
  expect(await firstAnswer(broker.port)).toBe('20020000')
})

describeMosquitto('Mosquitto', () => {
  test('answers CONNECT, also after a restart and after being killed', async () => {
    await using broker = await Mosquitto.start()
    expect(await firstAnswer(broker.port())).toBe('20020000')
    await broker.restart()
    expect(await firstAnswer(broker.port())).toBe('20020000')
    await broker.kill()
    expect(broker.isRunning).toBe(false)
    await broker.start()
    expect(await firstAnswer(broker.port())).toBe('20020000')
  })

  test('starts with every kind of listener, users and persistence', async () => {
    await using broker = await Mosquitto.start({
      listeners: ['tcp', 'tls', 'ws', 'wss', 'unix'],
      users: { user: 'secret' },
      persistence: true,
    })
    expect(broker.url('wss')).toMatch(/^wss:\/\/localhost:\d+$/)
    // 5: not authorized.
    expect(await firstAnswer(broker.port())).toBe('20020005')
  })

  test('says why it does not start', async () => {
    await expect(Mosquitto.start({ settings: ['nonsense'] })).rejects.toThrow(/nonsense/)
  })
})
