import type { DecodedPacket } from '../../src/codec/decoder.ts'

/** What happened in a simulation, line by line; empty unless it is wanted. */
export class Trace {
  readonly lines: string[] = []
  readonly #isOn: boolean
  readonly #now: () => number
  readonly #start: number

  constructor(isOn: boolean, now: () => number) {
    this.#isOn = isOn
    this.#now = now
    this.#start = now()
  }

  note(text: string): void {
    if (this.#isOn) this.lines.push(`${this.#time()}  ${text}`)
  }

  packet(direction: '>' | '<', packet: DecodedPacket): void {
    if (!this.#isOn) return
    this.lines.push(
      `${this.#time()}    ${direction === '>' ? 'client ->' : 'client <-'} ${packetText(packet)}`,
    )
  }

  #time(): string {
    return `${((this.#now() - this.#start) / 1000).toFixed(3).padStart(10)} s`
  }
}

/** A packet on one line. */
export function packetText(packet: DecodedPacket): string {
  const { type, ...fields } = packet.type === 'publish' ? publishFields(packet) : packet
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => `${key}=${valueText(value)}`)
  return [type.toUpperCase(), ...parts].join(' ')
}

function publishFields(
  packet: DecodedPacket & { type: 'publish' },
): { type: 'publish' } & Record<string, unknown> {
  const { topic, qos, packetId, dup, retain, payload, properties } = packet
  return { type: 'publish', topic, qos, packetId, dup, retain, payload, properties }
}

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) {
    const text = Buffer.from(value.subarray(0, 12)).toString('latin1').trim()
    return `"${text}"${value.length > 12 ? `(${value.length} bytes)` : ''}`
  }
  return JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? valueText(part) : part)) ?? ''
}
