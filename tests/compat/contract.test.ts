import { existsSync, readFileSync } from 'node:fs'
import { Client as CoreClient } from 'mqtt-await'
import { Client, KeyError, PacketTypes, Properties, ReasonCode } from 'mqtt-await/compat'
import { describe, expect, test } from 'vitest'
import { contractText } from './contract.ts'
import { sections } from './contract-sections.ts'
import { PROPERTIES, REASON_CODES } from './contract-tables.ts'

/**
 * That each section of the contract is proved by tests that exist. The list of sections, the tables and the names of symbols are in
 * the repository; beside the contract itself they are compared with what it says.
 */

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const contract = contractText()

/** Headings with their texts. */
function headings(text: string): [heading: string, body: string][] {
  const parts = text.split(/^#{2,3} (.*)$/m).slice(1)
  return Array.from({ length: parts.length / 2 }, (_, at) => [
    (parts[at * 2] ?? '').replace("'", '’'),
    parts[at * 2 + 1] ?? '',
  ])
}

describe('each section has tests', () => {
  test.each(Object.entries(sections))('%s', (_section, claims) => {
    expect(claims.length).toBeGreaterThan(0)
    for (const [statement, file, title] of claims) {
      const path = `${file}.test.ts`
      expect(existsSync(new URL(path, import.meta.url)), `${statement}: ${path}`).toBe(true)
      const quoted = [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`]
      expect(
        quoted.some((one) => read(path).includes(one)),
        `${statement}: no test "${title}" in ${path}`,
      ).toBe(true)
    }
  })

  test('there are no others in the contract, and none with more marked statements than are proved', () => {
    if (contract === undefined) return
    const found = headings(contract)
    expect(Object.keys(sections)).toEqual(found.map(([heading]) => heading))
    for (const [heading, body] of found) {
      const marks = (claims: readonly string[]): number => claims.join().split('(!)').length - 1
      const proved = marks((sections[heading] ?? []).map(([statement]) => statement))
      expect(proved, heading).toBeGreaterThanOrEqual(marks([body]))
    }
  })
})

/** Cells of the rows of a table. */
function cells(table: string): string[][] {
  return table.split('\n').map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

describe('tables', () => {
  test('reason codes are those of the table', () => {
    const rows = cells(REASON_CODES).map(([code, name = '', packets = '']) => {
      return [Number(code), name, packets.split(' ').map(Number)] as const
    })
    for (const packet of PacketTypes.indexes) {
      for (let code = 0; code < 256; code++) {
        const row = rows.find(([one, , packets]) => one === code && packets.includes(packet))
        const make = (): ReasonCode => new ReasonCode(packet, { identifier: code })
        if (row === undefined) {
          expect(make).toThrow(rows.some(([one]) => one === code) ? /./ : KeyError)
          continue
        }
        expect([make().getName(), make().value, make().is_failure]).toEqual([row[1], code, code >= 128])
        expect(new ReasonCode(packet, row[1]).value).toBe(code)
      }
    }
  })

  test('properties are those of the table', () => {
    const own = new Properties(PacketTypes.CONNECT)
    const rows = cells(PROPERTIES).map(([name = '', id, type, packets = '']) => {
      return [name, Number(id), Number(type), packets.split(' ').map(Number)] as const
    })
    expect(own.names).toEqual(Object.fromEntries(rows.map(([name, id]) => [name, id])))
    expect(own.properties).toEqual(
      Object.fromEntries(rows.map(([, id, type, packets]) => [id, [type, packets]])),
    )
  })

  test('and the contract has them, and the symbols, as they are here', () => {
    if (contract === undefined) return
    expect(contract).toContain(REASON_CODES)
    expect(contract).toContain(PROPERTIES)
    const listed = [...contract.slice(contract.indexOf('## 15')).matchAll(/^\| `(.+)` \| (.+) \| \|$/gm)]
    const symbols = read('symbols.tsv').trim().split('\n').slice(1)
    expect(listed.map(([, symbol, kind]) => `${symbol}\t${kind}`)).toEqual(symbols)
  })
})

/** What the page for those who come from Paho says about each row of section 12. */
const page = read('../../examples/compat/MIGRATION.md').replaceAll(/\s+/g, ' ')
const deviations: readonly (readonly [row: string, words: string])[] = [
  ['blocking calls', 'return a promise'],
  ['`connect()` blocks, later calls find a connection', 'A call that does not await it works too'],
  ['keyword arguments', 'one trailing object with the same names'],
  ['required arguments by keyword', 'Required arguments stand by position'],
  ['tuple and list differ', 'an array whose first element is an array is a list'],
  ['threads; `loop_start()` runs beside the program', 'callbacks run from the event loop'],
  ['the thread of `loop_start()` does not keep the process alive', '`loop_start()` keeps the process alive'],
  [
    'exception in a callback under `loop_start()` ends the thread, the program goes on',
    'is an uncaught exception',
  ],
  ["a callback's result is just ignored", 'what a callback returns is ignored'],
  ['decorators', '`client.connect_callback()(function)`'],
  ['integer enumerations with names', 'plain numbers'],
  ['`reason_code == "Not authorized"`', "`reason_code.equals('Not authorized')`"],
  ['`==` of messages and reason codes', '`message.equals(other)`'],
  [
    '`int` and `float` as payload: `1.0` is `1.0`, `1e16` is `1e+16`, `nan`',
    '`String(n)`: `1`, `10000000000000000`, `NaN`',
  ],
  ['`bytes == bytes`', 'Buffer.compare'],
  ['`OSError`, `ssl.SSLError`, ...', "Node's `Error` with its `code`"],
  ['`hasattr(properties, "X")`', '`properties.TopicAlias !== undefined`'],
  ['`info[2]` is `IndexError`', '`info[2]`'],
  ['`matcher[key]`, `del matcher[key]`', '`matcher.delete(key)`'],
  ['sockets and `select()`', 'emits `readable` and `writable`'],
  ['"sent" is when the operating system took the packet', 'what the stream of Node has taken'],
  ["`ssl.SSLContext`, system's certificates", "The trusted certificates are Node's own"],
  ['a locked key asks for its password at the terminal', 'A locked key asks nobody'],
  ['`logging`', 'anything with `debug`, `info`, `warn`, `error`'],
  ['`DeprecationWarning` of Python', '`process.emitWarning`'],
  ['three unrelated `MQTTException`', 'three `MQTTException`'],
  ['PySocks and dnspython must be installed', 'SOCKS proxies need the package `socks`'],
  ['keepalive timeout calls `on_disconnect` twice', 'called once when the keepalive runs out'],
  [
    '`is_connected()` is still true in `on_disconnect` of a lost connection, and after DISCONNECT from the broker',
    '`is_connected()` is false inside it',
  ],
  [
    'after a reconnect all unfinished messages are sent, whatever the window',
    'The window holds after a reconnect',
  ],
  ['an incoming QoS 2 message makes the window one larger', 'incoming messages do not widen it'],
  [
    '`loop_start()` before `connect()` opens the connection twice, and fails if none comes within a second',
    'opens one connection, not two',
  ],
  [
    'the first retry of a first connection waits three times `min_delay`; `retry_first_connection` without `reconnect_on_failure` gives up',
    'waits `min_delay`, not three times that',
  ],
  [
    'DISCONNECT of the broker with nothing but a reason code counts as normal',
    'nothing but a reason code is read',
  ],
  ['CONNACK codes 2 to 5 in MQTT 5 raise `KeyError` out of the loop', 'are refusals, not `KeyError`'],
  ['PUBREC with a failure is answered by PUBREL', 'PUBREC with a failure code finishes the message'],
  [
    'after an exception in a callback the same packet is handled again once more data arrives',
    'is handled once, not again',
  ],
  [
    'server keep alive, receive maximum, maximum packet size of the broker are ignored',
    'Server Keep Alive are honoured',
  ],
  ['topic aliases of the broker: message with an empty topic', 'Topic aliases of the broker are resolved'],
  [
    'with manual acknowledgement PUBREL for an unknown mid is never answered',
    'the reply to PUBREL for an unknown packet is sent',
  ],
  ['`reinitialise()` always raises', '`reinitialise()` works'],
  ['`unsubscribe([])` sends a malformed packet', '`unsubscribe([])` is a `ValueError`'],
  [
    'WebSocket pong and close frames are not masked; a close frame does not end the connection',
    'Pong and close frames of WebSockets are masked',
  ],
  ['`keepalive` 0 breaks TLS and WebSocket handshakes', 'A `keepalive` of 0 leaves'],
  ['SRV records in the order of arrival', 'SRV records are tried by priority and weight'],
  [
    '`loop_stop()` may take a second more; `loop_forever()` after it returns at once',
    '`loop_stop()` takes no second more',
  ],
  ['`subscribe.callback` with MQTT 5 needs `clean_session=None`', '`subscribe.callback` works with MQTT 5'],
]

describe('the migration page', () => {
  const rows = page
    .slice(page.indexOf('## Task by task'), page.indexOf('## What differs'))
    .split(/\| \|/)
    .map((row) => row.split(' | ').map((cell) => cell.trim()))
    .filter((row) => row.length >= 4)

  test('has the tasks', () => {
    expect(rows.length).toBeGreaterThan(40)
  })

  test.each([
    ['compat', 2, Client.prototype],
    ['core', 3, CoreClient.prototype],
  ])('names members of the %s client that exist', (_which, column, prototype) => {
    const names = new Set(
      rows.flatMap((row) => [...(row[column] ?? '').matchAll(/\bc\.(\w+)/g)].map(([, name = '']) => name)),
    )
    expect(names.size).toBeGreaterThan(10)
    for (const name of names) expect(name in prototype, name).toBe(true)
  })
})

describe('deviations', () => {
  test.each(deviations)('the migration page has a line for %s', (_row, words) => {
    expect(page).toContain(words)
  })

  test('these are all', () => {
    if (contract === undefined) return
    const found = headings(contract)
      .filter(([heading]) => /^12\.[12] /.test(heading))
      .flatMap(([, body]) => [...body.matchAll(/^\| (.+?) \| .+ \|$/gm)].map(([, row = '']) => row))
    expect(deviations.map(([row]) => row)).toEqual(found.filter((row) => row !== 'Paho' && row !== '---'))
  })
})
