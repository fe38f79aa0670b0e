/** What CONNACK says beside its code. */
export class ConnectFlags {
  readonly session_present: boolean

  constructor(session_present: boolean) {
    this.session_present = session_present
    Object.freeze(this)
  }
}

/** How a connection ended. */
export class DisconnectFlags {
  readonly is_disconnect_packet_from_server: boolean

  constructor(is_disconnect_packet_from_server: boolean) {
    this.is_disconnect_packet_from_server = is_disconnect_packet_from_server
    Object.freeze(this)
  }
}
