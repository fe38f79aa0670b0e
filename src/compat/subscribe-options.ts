import { AttributeGuard } from './attribute-guard.ts'
import { bindArguments, type WithKeywords } from './call-arguments.ts'
import { AssertionError, MQTTException } from './errors.ts'
import { pythonText } from './python-text.ts'

const PARAMETERS = ['qos', 'noLocal', 'retainAsPublished', 'retainHandling'] as const
type Parameters = [qos?: number, noLocal?: boolean, retainAsPublished?: boolean, retainHandling?: number]

const NAMES: string[] = ['QoS', 'noLocal', 'retainAsPublished', 'retainHandling']

/** The options of one filter in a SUBSCRIBE of MQTT 5. The argument is called `qos`, the attribute `QoS`. */
export class SubscribeOptions extends AttributeGuard {
  static readonly RETAIN_SEND_ON_SUBSCRIBE: 0 = 0
  static readonly RETAIN_SEND_IF_NEW_SUB: 1 = 1
  static readonly RETAIN_DO_NOT_SEND: 2 = 2

  QoS: number
  noLocal: boolean
  retainAsPublished: boolean
  retainHandling: number

  /** Throws `AssertionError` for values out of range. Later assignments are checked by `pack`. */
  constructor(...args: Parameters)
  constructor(...args: WithKeywords<typeof PARAMETERS, Parameters>)
  constructor(...args: unknown[]) {
    const [qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0] =
      bindArguments<Parameters>(PARAMETERS, 0, args)
    super(NAMES, (name) => new MQTTException(`${name}: attribute name must be one of ${NAMES.join(', ')}`))
    this.QoS = qos
    this.noLocal = noLocal
    this.retainAsPublished = retainAsPublished
    this.retainHandling = retainHandling
    this.#check()
  }

  /** The four attribute names. */
  get names(): string[] {
    return [...NAMES]
  }

  /** The options byte. [MQTT 5.0 §3.8.3.1] Throws `AssertionError` for values out of range. */
  pack(): Uint8Array {
    this.#check()
    return Uint8Array.of(
      (this.retainHandling << 4) |
        (Number(this.retainAsPublished) << 3) |
        (Number(this.noLocal) << 2) |
        this.QoS,
    )
  }

  /** Takes the first byte. Throws `AssertionError` for values out of range. */
  unpack(buffer: Uint8Array): 1 {
    const byte = buffer[0] ?? 0
    this.retainHandling = (byte >> 4) & 3
    this.retainAsPublished = (byte & 8) !== 0
    this.noLocal = (byte & 4) !== 0
    this.QoS = byte & 3
    this.#check()
    return 1
  }

  json(): { QoS: number; noLocal: boolean; retainAsPublished: boolean; retainHandling: number } {
    return {
      QoS: this.QoS,
      noLocal: this.noLocal,
      retainAsPublished: this.retainAsPublished,
      retainHandling: this.retainHandling,
    }
  }

  override toString(): string {
    const fields = Object.entries(this.json()).map(([name, value]) => `${name}=${pythonText(value)}`)
    return `{${fields.join(', ')}}`
  }

  #check(): void {
    const ok =
      [0, 1, 2].includes(this.QoS) &&
      typeof this.noLocal === 'boolean' &&
      typeof this.retainAsPublished === 'boolean' &&
      [0, 1, 2].includes(this.retainHandling)
    if (!ok) throw new AssertionError(`subscribe options out of range: ${this}`)
  }
}
