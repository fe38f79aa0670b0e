import {
  type Client,
  type Message,
  type Payload,
  type Subscription,
  type TopicParams,
  topic,
} from 'mqtt-await'
import * as v from 'valibot'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'

// Run by the compiler alone (`vitest --typecheck`, and `npm run types`): a wrong type here is an error there.

declare const client: Client
const temperature = topic('site/{site}/temp/{sensor}', z.object({ celsius: z.string().transform(Number) }))

describe('the types of topics and messages', () => {
  test('the names of a template', () => {
    expectTypeOf<TopicParams<'site/{site}/temp/{sensor}'>>().toEqualTypeOf<{
      readonly site: string
      readonly sensor: string
    }>()
    expectTypeOf<TopicParams<'log/{host}/{path...}'>>().toEqualTypeOf<{
      readonly host: string
      readonly path: string
    }>()
    expectTypeOf<TopicParams<'plain'>>().toEqualTypeOf<Record<never, string>>()
    expectTypeOf<TopicParams<string>>().toEqualTypeOf<Readonly<Record<string, string>>>()
  })

  test('without a schema a payload goes out, and there is no value', () => {
    const plain = topic('site/{site}')
    plain.publish(client, { site: 'a' }, 'text')
    expectTypeOf(plain.publish).parameter(2).toEqualTypeOf<Payload>()
    // @ts-expect-error a name is missing
    plain.publish(client, {}, 'text')
    // @ts-expect-error there is no such name
    plain.format({ site: 'a', room: 'b' })
  })

  test('with a schema its input goes out, and its output comes in', async () => {
    temperature.publish(client, { site: 'a', sensor: '1' }, { celsius: '21' })
    // @ts-expect-error the input is a string
    temperature.publish(client, { site: 'a', sensor: '1' }, { celsius: 21 })
    expectTypeOf(client.messages(temperature)).toEqualTypeOf<
      Subscription<Message<TopicParams<'site/{site}/temp/{sensor}'>, { celsius: number }>>
    >()
    for await (const { params, value } of client.messages(temperature)) {
      expectTypeOf(params.sensor).toEqualTypeOf<string>()
      expectTypeOf(value).toEqualTypeOf<{ celsius: number }>()
      // @ts-expect-error there is no such name
      params.room
    }
  })

  test('handlers and responders see the same', () => {
    client.handle(temperature, ({ params, value }) => {
      expectTypeOf(params.site).toEqualTypeOf<string>()
      expectTypeOf(value.celsius).toEqualTypeOf<number>()
    })
    client.respond(temperature, ({ value }) => {
      expectTypeOf(value.celsius).toEqualTypeOf<number>()
      return 'ok'
    })
    // @ts-expect-error a number is no answer
    client.respond('add', () => 5)
  })

  test('with a plain filter params are a list', async () => {
    for await (const message of client.messages('t/+', { schema: v.object({ on: v.boolean() }) })) {
      expectTypeOf(message.value).toEqualTypeOf<{ on: boolean }>()
      expectTypeOf(message.params).toEqualTypeOf<readonly string[]>()
    }
    for await (const message of client.messages(['a', 'b'])) {
      expectTypeOf(message).toEqualTypeOf<Message>()
      expectTypeOf(message.value).toEqualTypeOf<unknown>()
      expectTypeOf(message.json<{ a: 1 }>()).toEqualTypeOf<{ a: 1 }>()
    }
    for await (const batch of client.messages(temperature).batches()) {
      expectTypeOf(batch[0]?.value.celsius).toEqualTypeOf<number | undefined>()
    }
    expectTypeOf(client.messages(temperature).toReadableStream()).toExtend<
      ReadableStream<{ value: { celsius: number } }>
    >()
  })

  test('options that do not exist are errors', () => {
    // @ts-expect-error QoS 3 does not exist
    client.messages('a', { qos: 3 })
    // @ts-expect-error the retry of a handler has no such option
    client.handle('a', () => {}, { retry: { times: 3 } })
    // @ts-expect-error acknowledging is what handle() does
    client.handle('a', () => {}, { ack: 'manual' })
  })

  test('events have typed listeners', () => {
    client.on('connect', (info) => expectTypeOf(info.sessionPresent).toEqualTypeOf<boolean>())
    client.on('error', (error) => expectTypeOf(error.code).toEqualTypeOf<string>())
    client.on('dropped', ({ reason }) => expectTypeOf(reason).toEqualTypeOf<string>())
    // @ts-expect-error there is no such event
    client.on('offline', () => {})
    // @ts-expect-error close comes with how it ended
    client.on('close', (hadError: boolean) => hadError)
  })
})
