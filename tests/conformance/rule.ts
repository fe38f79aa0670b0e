import type { ProtocolVersion } from 'mqtt-await/codec'
import { test } from 'vitest'

/** Ids of a statement in MQTT 5.0 (5), 3.1.1 (4) and 3.1 (3); several where one behaviour answers to several. */
export interface StatementIds {
  readonly 5?: string | readonly string[]
  readonly 4?: string | readonly string[]
  readonly 3?: string | readonly string[]
}

const NAMES = { 5: 'MQTT 5.0', 4: 'MQTT 3.1.1', 3: 'MQTT 3.1' } as const

/**
 * One test per statement and protocol version, titled with the statement's number. TABLE.md is made from these calls: the
 * ids must be literals.
 */
export function rule(
  ids: StatementIds,
  title: string,
  body: (version: ProtocolVersion) => void | Promise<void>,
): void {
  for (const version of [5, 4, 3] as const) {
    for (const id of [ids[version] ?? []].flat()) {
      test(`${NAMES[version]} [${id}] ${title}`, () => body(version))
    }
  }
}
