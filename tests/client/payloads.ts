/** The payload of a packet as text. */
export function readPayload(packet: { readonly payload: Uint8Array }): string {
  return new TextDecoder().decode(packet.payload)
}
