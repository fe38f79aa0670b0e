import { expect, test } from 'vitest'
import { TRANSITIONS } from '../../src/session/phase.ts'
import { Peer } from '../support/session-peer.ts'

test('only the transitions of the table happen', () => {
  const seen: string[] = []
  const watch = (peer: Peer, step: () => void) => {
    const before = peer.session.phase
    step()
    const after = peer.session.phase
    if (before === after) return
    expect(TRANSITIONS[before]).toContain(after)
    seen.push(`${before}-${after}`)
  }
  const method = { properties: { authenticationMethod: 'M' } }
  const success = { type: 'connack', sessionPresent: false, reasonCode: 0 } as const
  const challenge = { type: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'M' } } as const
  for (const way of [
    (peer: Peer) => [() => peer.begin(), () => peer.says(success), () => peer.cut()],
    (peer: Peer) => [() => peer.begin(), () => peer.cut()],
    (peer: Peer) => [
      () => peer.begin(method),
      () => peer.says(challenge),
      () => peer.says({ ...success, ...method }),
      () => peer.session.disconnect({ reasonCode: 0 }),
    ],
    (peer: Peer) => [
      () => peer.begin(method),
      () => peer.says(challenge),
      () => peer.says({ ...success, reasonCode: 0x87 }),
    ],
  ]) {
    const peer = new Peer(5)
    for (const step of way(peer)) watch(peer, step)
    expect(peer.session.phase).toBe('offline')
  }
  const all = Object.entries(TRANSITIONS).flatMap(([from, tos]) => tos.map((to) => `${from}-${to}`))
  expect([...new Set(seen)].sort()).toEqual(all.sort())
})
