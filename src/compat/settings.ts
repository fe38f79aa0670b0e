import { randomInt } from 'node:crypto'
import type { ConnectPacket, ConnectProperties, WillProperties } from '../codec/packet.ts'
import { MQTT_CLEAN_START_FIRST_ONLY } from './constants.ts'
import { MQTTProtocolVersion } from './enums.ts'
import { UnicodeDecodeError, ValueError } from './errors.ts'
import { encodePayload, type PayloadType } from './payload.ts'
import { Properties } from './properties.ts'
import { toCore } from './property-mapping.ts'
import { TlsSettings } from './tls-settings.ts'
import { utf8Length } from './topic-check.ts'

/** `true` and `false` always and never set Clean Start; 3 sets it until the first CONNACK. */
export type CleanStartOption = boolean | 3

export type HTTPHeader = Record<string, string>
/** Headers to add to the default ones, or a function that makes the headers out of the default ones. */
export type WebSocketHeaders = HTTPHeader | ((headers: HTTPHeader) => HTTPHeader)

export type TransportName = 'tcp' | 'websockets' | 'unix'

export interface ProxySettings {
  readonly proxy_type: number
  readonly proxy_addr: string
  readonly proxy_port?: number
  readonly proxy_rdns?: boolean
  readonly proxy_username?: string
  readonly proxy_password?: string
}

interface WillSettings {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly properties: Properties | null
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8 = new TextEncoder()

/** Everything that a program sets before it connects, checked when it is set. */
export class Settings {
  host = ''
  port = 1883
  /** Seconds. */
  keepalive = 60
  bindAddress = ''
  bindPort = 0
  cleanStart: CleanStartOption = MQTT_CLEAN_START_FIRST_ONLY
  connectProperties: Properties | null = null
  transport: TransportName
  /** Seconds. */
  connectTimeout = 5
  username: string | null = null
  password: Uint8Array | null = null
  maxInflight = 20
  maxQueued = 0
  will: WillSettings | null = null
  protocol: MQTTProtocolVersion
  clientId: string
  cleanSession: boolean
  bridge = false
  reconnectOnFailure: boolean
  manualAck: boolean
  minReconnectDelay = 1
  maxReconnectDelay = 120
  websocketPath = '/mqtt'
  websocketHeaders: WebSocketHeaders | null = null
  proxy: ProxySettings | null = null
  readonly tls: TlsSettings = new TlsSettings()

  constructor(
    clientId: string | Uint8Array | null,
    cleanSession: boolean | null,
    protocol: MQTTProtocolVersion,
    transport: string,
    reconnectOnFailure: boolean,
    manualAck: boolean,
  ) {
    this.transport = checkTransport(transport)
    this.protocol = protocol
    if (protocol === MQTTProtocolVersion.MQTTv5) {
      if (cleanSession !== null) {
        throw new ValueError('clean_session is not for MQTT 5: use clean_start of connect()')
      }
      this.cleanSession = false
    } else {
      this.cleanSession = cleanSession ?? true
    }
    this.clientId = clientId instanceof Uint8Array ? strictUtf8.decode(clientId) : (clientId ?? '')
    if (this.clientId === '') {
      if (protocol !== MQTTProtocolVersion.MQTTv5 && !this.cleanSession) {
        throw new ValueError('A client id must be given when clean_session is false')
      }
      if (protocol === MQTTProtocolVersion.MQTTv31) this.clientId = randomClientId()
    }
    this.reconnectOnFailure = reconnectOnFailure
    this.manualAck = manualAck
  }

  setHost(value: string): void {
    if (typeof value !== 'string' || value === '') throw new ValueError('Invalid host.')
    this.host = value
  }

  setPort(value: number): void {
    if (!(value > 0)) throw new ValueError('Invalid port number.')
    this.port = value
  }

  setKeepalive(value: number): void {
    if (!(value >= 0)) throw new ValueError('Keepalive must be >=0.')
    this.keepalive = value
  }

  setConnectTimeout(value: number): void {
    if (!(value > 0)) throw new ValueError('timeout must be a positive number')
    this.connectTimeout = value
  }

  setMaxInflight(value: number): void {
    if (!(value >= 0)) throw new ValueError('Invalid inflight.')
    this.maxInflight = value
  }

  setMaxQueued(value: number): void {
    if (!(value >= 0)) throw new ValueError('Invalid queue size.')
    this.maxQueued = value
  }

  setPassword(value: string | Uint8Array | null): void {
    this.password =
      typeof value === 'string' ? utf8.encode(value) : value === null ? null : Uint8Array.from(value)
  }

  /** Throws `UnicodeDecodeError` when it was set to bytes that are not UTF-8. */
  passwordText(): string | null {
    if (this.password === null) return null
    try {
      return strictUtf8.decode(this.password)
    } catch {
      throw new UnicodeDecodeError('the password is not UTF-8')
    }
  }

  setWill(
    topic: string | null | undefined,
    payload: PayloadType,
    qos: number,
    retain: boolean,
    properties: Properties | null,
  ): void {
    if (typeof topic !== 'string' || topic === '') throw new ValueError('Invalid topic.')
    if (qos !== 0 && qos !== 1 && qos !== 2) throw new ValueError('Invalid QoS level.')
    if (properties !== null && !(properties instanceof Properties)) {
      throw new ValueError('The properties argument must be an instance of the Properties class.')
    }
    if (utf8Length(topic) > 65_535) throw new ValueError('Topic too long.')
    this.will = { topic, payload: encodePayload(payload), qos, retain, properties }
  }

  setWebsocketOptions(path: string | null, headers: WebSocketHeaders | null): void {
    const fits =
      headers === null || typeof headers === 'function' || Object.getPrototypeOf(headers) === Object.prototype
    if (!fits) throw new ValueError('headers must be an object or a function')
    this.websocketPath = path ?? '/mqtt'
    this.websocketHeaders = headers
  }

  setProxy(args: ProxySettings): void {
    if (![1, 2, 3].includes(args.proxy_type))
      throw new ValueError('proxy_type must be one of socks.SOCKS4, SOCKS5, HTTP')
    if (typeof args.proxy_addr !== 'string' || args.proxy_addr === '')
      throw new ValueError('proxy_addr must be given')
    this.proxy = { ...args }
  }

  setReconnectDelay(minimum: number, maximum: number): void {
    this.minReconnectDelay = minimum
    this.maxReconnectDelay = maximum
  }

  /**
   * The CONNECT to send, with nothing in it that was not asked for.
   *
   * @param first - no CONNACK has been received since `connect()`
   */
  connectPacket(first: boolean): ConnectPacket {
    const five = this.protocol === MQTTProtocolVersion.MQTTv5
    const { username, password, will } = this
    const properties = five ? toCore<ConnectProperties>(this.connectProperties) : undefined
    return {
      type: 'connect',
      protocolVersion: this.protocol,
      cleanStart: five
        ? this.cleanStart === MQTT_CLEAN_START_FIRST_ONLY
          ? first
          : this.cleanStart
        : this.cleanSession,
      keepAlive: Math.floor(this.keepalive),
      clientId: this.clientId,
      // A password without a user name stays here, in every version.
      ...(username === null ? {} : { username, ...(password === null ? {} : { password }) }),
      ...(will === null ? {} : { will: willPacket(will, five) }),
      ...(properties === undefined ? {} : { properties }),
      ...(this.bridge ? { bridge: true } : {}),
    }
  }
}

/** 22 characters out of 0-9, a-z and A-Z, for brokers that take no empty client id. */
export function randomClientId(): string {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
  return Array.from({ length: 22 }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function checkTransport(transport: string): TransportName {
  const name = typeof transport === 'string' ? transport.toLowerCase() : transport
  if (name !== 'tcp' && name !== 'websockets' && name !== 'unix') {
    throw new ValueError(`transport must be "tcp", "websockets" or "unix", not ${name}`)
  }
  return name
}

function willPacket(will: WillSettings, five: boolean): NonNullable<ConnectPacket['will']> {
  const { topic, payload, qos, retain } = will
  const properties = five ? toCore<WillProperties>(will.properties) : undefined
  return { topic, payload, qos, retain, ...(properties === undefined ? {} : { properties }) }
}
