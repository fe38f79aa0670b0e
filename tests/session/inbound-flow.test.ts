import { describe, expect, test } from 'vitest'
import { InboundFlow, Release } from '../../src/session/inbound-flow.ts'
import { AckState, InboundMessage } from '../../src/session/inbound-message.ts'

function message(qos: 1 | 2, packetId: number, dup = false): InboundMessage {
  const bytes = new Uint8Array(0)
  const flags = (qos << 1) | (dup ? 8 : 0)
  const source = { topicName: 't', flags, packetId, topicAlias: 0, subscriptionIdentifiers: undefined }
  return new InboundMessage(bytes, { ...source, bytes, propertiesAt: -1 })
}

function finish(flow: InboundFlow, done: InboundMessage): number[] {
  done.ackState = AckState.ready
  const paid: number[] = []
  for (;;) {
    const next = flow.nextPayable(done.qos as 1 | 2)
    if (next === undefined) return paid
    paid.push(next.packetId)
  }
}

describe('the receiver of QoS 1', () => {
  test('a resend over a reconnect is the message that the application has already', () => {
    const flow = new InboundFlow()
    const first = message(1, 5)
    flow.onPublish(first)
    flow.connectionLost()
    first.ackState = AckState.ready // finished while offline
    expect(flow.onPublish(message(1, 5, true))).toBe(1)
    expect(flow.nextPayable(1)).toBe(first)
    expect(flow.counted).toBe(0)
  })

  test('the same identifier without DUP after a reconnect is a new message', () => {
    const flow = new InboundFlow()
    flow.onPublish(message(1, 5))
    flow.connectionLost()
    expect(flow.onPublish(message(1, 5))).toBe(0)
  })

  test('the same identifier twice on a connection is two messages, each acknowledged', () => {
    const flow = new InboundFlow()
    const [a, b] = [message(1, 5), message(1, 5)]
    expect([flow.onPublish(a), flow.onPublish(b)]).toEqual([0, 0])
    expect(finish(flow, b)).toEqual([])
    expect(finish(flow, a)).toEqual([5, 5])
  })
})

describe('the receiver of QoS 2', () => {
  test('a repeat on the same connection while the application works is not delivered and not owed twice', () => {
    const flow = new InboundFlow()
    const first = message(2, 9)
    expect([flow.onPublish(first), flow.onPublish(message(2, 9, true))]).toEqual([0, 1])
    expect(flow.counted).toBe(1)
    expect(finish(flow, first)).toEqual([9])
  })

  test('PUBREL before PUBREC, of an unknown id, and in its place', () => {
    const flow = new InboundFlow()
    const first = message(2, 9)
    flow.onPublish(first)
    expect([flow.onPubrel(9), flow.onPubrel(10)]).toEqual([Release.premature, Release.unknown])
    finish(flow, first)
    expect([flow.onPubrel(9), flow.onPubrel(9)]).toEqual([Release.complete, Release.unknown])
  })

  test('a refused message frees its identifier', () => {
    const flow = new InboundFlow()
    const first = message(2, 9)
    flow.onPublish(first)
    first.ackReasonCode = 0x97
    finish(flow, first)
    expect(flow.onPublish(message(2, 9))).toBe(0)
  })

  test('restored identifiers are not delivered again', () => {
    const flow = new InboundFlow()
    flow.restore([300, 4])
    expect([
      flow.onPublish(message(2, 300, true)),
      flow.onPublish(message(2, 4)),
      flow.onPublish(message(2, 5)),
    ]).toEqual([1, 1, 0])
  })

  test('nothing is owed for what a lost session brought', () => {
    const flow = new InboundFlow()
    const first = message(2, 9)
    flow.onPublish(first)
    flow.connectionLost()
    flow.sessionLost()
    expect(first.ackState).toBe(AckState.none)
    expect(flow.onPublish(message(2, 9))).toBe(0)
  })
})
