import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeMosquitto, Mosquitto } from '../../support/brokers.ts'
import { programPlace } from '../program-place.ts'
import { publisherRounds, receiverRounds } from './rounds.ts'

/** `npm run crash -- --rounds 100` */
const rounds = Number(process.env['CRASH_ROUNDS'] ?? 3)

describeMosquitto(`killed with SIGKILL, ${rounds} rounds`, () => {
  let broker: Mosquitto
  beforeAll(async () => {
    // By default it drops what exceeds 1000 messages per subscriber: that is not what is looked at here.
    broker = await Mosquitto.start({ settings: ['max_queued_messages 0', 'max_inflight_messages 50'] })
  })
  afterAll(() => broker.dispose())

  const timeout = 30_000 + rounds * 3_000

  test(
    'a publisher loses nothing whose `stored` has resolved, doubles no QoS 2, keeps the order',
    async () => {
      using place = programPlace(new URL('publisher.ts', import.meta.url))
      const url = broker.url()
      const totals = await publisherRounds(place, { rounds, url, brokerUrl: url, random: Math.random })
      console.info('publisher', { ...totals, stored: totals.stored, lost: totals.lost.length })
      expect(totals).toMatchObject({ lost: [], doubled: [], misplaced: [] })
      expect(totals.stored).toBeGreaterThan(rounds)
    },
    timeout,
  )

  test(
    'a receiver loses nothing, and gets again only what it had not finished',
    async () => {
      using place = programPlace(new URL('receiver.ts', import.meta.url))
      const url = broker.url()
      const totals = await receiverRounds(place, { rounds, url, brokerUrl: url, random: Math.random })
      console.info('receiver', { ...totals, lost: totals.lost.length })
      expect(totals).toMatchObject({ lost: [], doubled: [] })
      expect(totals.redeliveredAtTheEdge.length).toBeLessThanOrEqual(rounds)
    },
    timeout,
  )
})
