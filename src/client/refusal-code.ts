/** Reason codes of 0x80 and up that PUBACK and PUBREC may carry. [MQTT 5.0 §3.4.2.1, §3.5.2.1] */
const REFUSALS: ReadonlySet<number> = new Set([0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])

/** May a received message be acknowledged with it as failed? */
export function isRefusalCode(reasonCode: number): boolean {
  return REFUSALS.has(reasonCode)
}
