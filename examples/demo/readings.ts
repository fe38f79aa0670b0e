/** What the devices send: who, which, and when it was sent. */
export interface Reading {
  readonly device: string
  readonly sequence: number
  readonly sentAt: number
  readonly celsius: number
}

export type QoS = 0 | 1 | 2

export function reading(device: string, sequence: number): string {
  const celsius = 20 + 5 * Math.sin(sequence / 50)
  const value: Reading = { device, sequence, sentAt: performance.now(), celsius: Number(celsius.toFixed(2)) }
  return JSON.stringify(value)
}
