/** Where the examples find their broker: MQTT_HOST and MQTT_PORT of the environment. */
export const HOST: string = process.env['MQTT_HOST'] ?? 'localhost'
export const PORT: number = Number(process.env['MQTT_PORT'] ?? 1883)

/** Payloads are bytes; these programs send text. */
export function text(payload: Uint8Array): string {
  return Buffer.from(payload).toString()
}
