/**
 * Every error this library throws or rejects with.
 *
 *     MqttError                     code ERR_MQTT_...; reasonCode, reasonString, userProperties where the wire gave them
 *     ├── OptionsError              a wrong option or argument: path, expected, received
 *     ├── ConnectError              the connection could not be made, or the server refused it
 *     ├── ConnectionLostError       an established connection ended without being asked to
 *     ├── ProtocolError             bytes or packets which MQTT forbids: packet, field, offset, statement
 *     ├── PublishError              a PUBACK, PUBREC or PUBCOMP of 0x80 and up, or a publication that can not be sent
 *     ├── SubscribeError            a filter was refused
 *     ├── UnsubscribeError          an UNSUBACK of 0x80 and up
 *     ├── TimeoutError              a deadline of the caller or of an option has passed
 *     ├── SessionLostError          the server forgot a session that held unfinished work
 *     ├── QueueFullError            a publication was refused or dropped by the limits of the queue
 *     ├── ClosedError               the client is closed
 *     └── StoreError                the session store failed
 *
 * A class exists only where a caller would branch; how an error came about is in `code`.
 * No secret ever stands in a message: whoever builds one redacts first.
 */

export interface MqttErrorDetails {
  /** Stable, `ERR_MQTT_...`; the thing to compare. */
  readonly code?: string
  readonly cause?: unknown
  /** Reason code of the packet that reported the failure, MQTT 5 numbering (3.x return codes are mapped). */
  readonly reasonCode?: number | undefined
  readonly reasonString?: string | undefined
  readonly userProperties?: readonly (readonly [string, string])[] | undefined
}

/** Base of all errors of this library. */
export class MqttError extends Error {
  /** Stable identifier, `ERR_MQTT_...`. */
  declare readonly code: string
  declare readonly reasonCode: number | undefined
  declare readonly reasonString: string | undefined
  declare readonly userProperties: readonly (readonly [string, string])[] | undefined

  constructor(message: string, details: MqttErrorDetails = {}) {
    const { cause, ...fields } = details
    super(message, cause === undefined ? undefined : { cause })
    Object.assign(this, { code: 'ERR_MQTT' }, fields)
  }

  // On the prototype: neither an own property in logs nor lost to minifiers, and no side effect to bundlers.
  override get name(): string {
    return 'MqttError'
  }
}

export interface OptionsErrorDetails extends MqttErrorDetails {
  /** Where: `reconnect.minDelayMs`, `filters[1].qos`. */
  readonly path?: string
  readonly expected?: string
  /** What was given, redacted and shortened. */
  readonly received?: string
}

/** A wrong option or argument. Nothing was changed and nothing was sent. */
export class OptionsError extends MqttError {
  declare readonly path: string | undefined
  declare readonly expected: string | undefined
  declare readonly received: string | undefined

  constructor(message: string, details: OptionsErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_OPTIONS', ...details })
  }

  override get name(): string {
    return 'OptionsError'
  }
}

/**
 * The error for a value that does not fit, in the words that all of them have.
 *
 * @param received - redacted and shortened; absent when it says nothing
 * @param fault - what is wrong beyond not fitting, with a space after it
 */
export function wrongOption(path: string, expected: string, received?: string, fault = ''): OptionsError {
  return new OptionsError(
    `${path}: ${fault}expected ${expected}${received === undefined ? '' : `, got ${received}`}`,
    received === undefined ? { path, expected } : { path, expected, received },
  )
}

/** The connection could not be made, or the server refused it (`reasonCode`). Network errors are the `cause`. */
export class ConnectError extends MqttError {
  /** MQTT 5 Server Reference of a refusal with 0x9C or 0x9D. */
  declare readonly serverReference: string | undefined

  constructor(
    message: string,
    details: MqttErrorDetails & { readonly serverReference?: string | undefined } = {},
  ) {
    super(message, { code: 'ERR_MQTT_CONNECT', ...details })
  }

  override get name(): string {
    return 'ConnectError'
  }
}

/** An established connection ended: the network failed, or the server sent DISCONNECT (`reasonCode`). */
export class ConnectionLostError extends MqttError {
  declare readonly serverReference: string | undefined

  constructor(
    message: string,
    details: MqttErrorDetails & { readonly serverReference?: string | undefined } = {},
  ) {
    super(message, { code: 'ERR_MQTT_CONNECTION_LOST', ...details })
  }

  override get name(): string {
    return 'ConnectionLostError'
  }
}

export interface ProtocolErrorDetails extends MqttErrorDetails {
  /** Packet name in MQTT's spelling: `PUBLISH`. */
  readonly packet?: string | undefined
  /** Field in the specification's words: `Topic Name`. */
  readonly field?: string | undefined
  /** Byte offset of the fault from the first byte of the packet. */
  readonly offset?: number | undefined
  /** The normative statement that was broken: `MQTT-3.3.2-1`, or a section number. */
  readonly statement?: string | undefined
}

/** The peer sent what MQTT forbids. `reasonCode` is the one to answer with in DISCONNECT. */
export class ProtocolError extends MqttError {
  declare readonly packet: string | undefined
  declare readonly field: string | undefined
  declare readonly offset: number | undefined
  declare readonly statement: string | undefined

  constructor(message: string, details: ProtocolErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_PROTOCOL', reasonCode: 0x82, ...details })
  }

  override get name(): string {
    return 'ProtocolError'
  }
}

/** The server refused a publication, or it could not be sent. */
export class PublishError extends MqttError {
  declare readonly topic: string | undefined

  constructor(message: string, details: MqttErrorDetails & { readonly topic?: string | undefined } = {}) {
    super(message, { code: 'ERR_MQTT_PUBLISH', ...details })
  }

  override get name(): string {
    return 'PublishError'
  }
}

/** The server refused a subscription. */
export class SubscribeError extends MqttError {
  declare readonly filter: string | undefined

  constructor(message: string, details: MqttErrorDetails & { readonly filter?: string | undefined } = {}) {
    super(message, { code: 'ERR_MQTT_SUBSCRIBE', ...details })
  }

  override get name(): string {
    return 'SubscribeError'
  }
}

/** The server refused to remove a subscription. */
export class UnsubscribeError extends MqttError {
  declare readonly filter: string | undefined

  constructor(message: string, details: MqttErrorDetails & { readonly filter?: string | undefined } = {}) {
    super(message, { code: 'ERR_MQTT_UNSUBSCRIBE', ...details })
  }

  override get name(): string {
    return 'UnsubscribeError'
  }
}

/** A deadline has passed. What was waited for may still happen; the message says what it was. */
export class TimeoutError extends MqttError {
  constructor(message: string, details: MqttErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_TIMEOUT', ...details })
  }

  override get name(): string {
    return 'TimeoutError'
  }
}

/** The server had no session although this client held unfinished exactly-once work; see `onSessionLost`. */
export class SessionLostError extends MqttError {
  constructor(message: string, details: MqttErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_SESSION_LOST', ...details })
  }

  override get name(): string {
    return 'SessionLostError'
  }
}

/** A publication did not fit the queue, or was dropped from it. */
export class QueueFullError extends MqttError {
  constructor(message: string, details: MqttErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_QUEUE_FULL', ...details })
  }

  override get name(): string {
    return 'QueueFullError'
  }
}

/** The client (or the subscription) is closed. */
export class ClosedError extends MqttError {
  constructor(message: string, details: MqttErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_CLOSED', ...details })
  }

  override get name(): string {
    return 'ClosedError'
  }
}

/** The session store failed; `cause` is its own error. */
export class StoreError extends MqttError {
  constructor(message: string, details: MqttErrorDetails = {}) {
    super(message, { code: 'ERR_MQTT_STORE', ...details })
  }

  override get name(): string {
    return 'StoreError'
  }
}
