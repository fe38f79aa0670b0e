import { CallbackAPIVersion, MQTTProtocolVersion } from './enums.ts'
import { ConnectFlags, DisconnectFlags } from './flags.ts'
import type { Properties } from './properties.ts'
import type { ReasonCode } from './reason-code.ts'

/** What there is to tell about each event; `null` properties are those of a packet that has none. */
export interface CallbackFacts {
  on_connect: {
    sessionPresent: boolean
    /** As on the wire of MQTT 3. */
    rc: number
    reason: ReasonCode
    properties: Properties | null
    empty: Properties
  }
  on_disconnect: {
    fromServer: boolean
    rc: number
    reason: ReasonCode
    properties: Properties | null
    empty: Properties
  }
  on_publish: { mid: number; reason: ReasonCode; properties: Properties }
  on_subscribe: { mid: number; reasons: ReasonCode[]; properties: Properties }
  on_unsubscribe: { mid: number; reasons: ReasonCode[]; properties: Properties }
}

type Shape<Facts> = (facts: Facts) => unknown[]

/** What follows `client` and `userdata`: version 1 with MQTT 3, version 1 with MQTT 5, version 2. */
const SHAPES: {
  [Name in keyof CallbackFacts]: readonly [
    v1Mqtt3: Shape<CallbackFacts[Name]>,
    v1Mqtt5: Shape<CallbackFacts[Name]>,
    v2: Shape<CallbackFacts[Name]>,
  ]
} = {
  on_connect: [
    ({ sessionPresent, rc }) => [{ 'session present': Number(sessionPresent) }, rc],
    ({ sessionPresent, reason, properties }) => [
      { 'session present': Number(sessionPresent) },
      reason,
      properties,
    ],
    ({ sessionPresent, reason, properties, empty }) => [
      new ConnectFlags(sessionPresent),
      reason,
      properties ?? empty,
    ],
  ],
  on_disconnect: [
    ({ rc }) => [rc],
    ({ fromServer, rc, reason, properties }) => (fromServer ? [reason, properties] : [rc, null]),
    ({ fromServer, reason, properties, empty }) => [
      new DisconnectFlags(fromServer),
      reason,
      properties ?? empty,
    ],
  ],
  on_publish: [
    ({ mid }) => [mid],
    ({ mid }) => [mid],
    ({ mid, reason, properties }) => [mid, reason, properties],
  ],
  on_subscribe: [
    ({ mid, reasons }) => [mid, reasons.map(Number)],
    ({ mid, reasons, properties }) => [mid, reasons, properties],
    ({ mid, reasons, properties }) => [mid, reasons, properties],
  ],
  on_unsubscribe: [
    ({ mid }) => [mid],
    ({ mid, reasons, properties }) => [mid, properties, reasons.length === 1 ? reasons[0] : reasons],
    ({ mid, reasons, properties }) => [mid, reasons, properties],
  ],
}

/** The arguments of a callback after `client` and `userdata`. */
export function callbackArguments<Name extends keyof CallbackFacts>(
  name: Name,
  version: CallbackAPIVersion,
  protocol: MQTTProtocolVersion,
  facts: CallbackFacts[Name],
): unknown[] {
  const column = version === CallbackAPIVersion.VERSION2 ? 2 : protocol === MQTTProtocolVersion.MQTTv5 ? 1 : 0
  return SHAPES[name][column](facts)
}
