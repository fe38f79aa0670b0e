/**
 * Python's exceptions under their own names, for programs that branch on them.
 *
 *     Error
 *     ├── ValueError                  ├── UnicodeDecodeError
 *     ├── RuntimeError
 *     ├── KeyError
 *     ├── AssertionError
 *     ├── MQTTException               ├── MalformedPacket
 *     ├── WebsocketConnectionError
 *     └── BlockingIOError
 */

/** A wrong argument or setting. */
export class ValueError extends Error {
  static {
    nameClass(ValueError, 'ValueError')
  }
}

/** A call at the wrong time, or a publication that failed. */
export class RuntimeError extends Error {
  static {
    nameClass(RuntimeError, 'RuntimeError')
  }
}

/** A name, number or key that is not in a table. */
export class KeyError extends Error {
  static {
    nameClass(KeyError, 'KeyError')
  }
}

/** A value out of its range in `SubscribeOptions`. */
export class AssertionError extends Error {
  static {
    nameClass(AssertionError, 'AssertionError')
  }
}

/** Bytes that are not UTF-8 were read as text. */
export class UnicodeDecodeError extends ValueError {
  static {
    nameClass(UnicodeDecodeError, 'UnicodeDecodeError')
  }
}

/** MQTT forbids it, or the broker refused the connection of a helper function. */
export class MQTTException extends Error {
  static {
    nameClass(MQTTException, 'MQTTException')
  }
}

/** Bytes that `Properties.unpack` and its kin can not read. */
export class MalformedPacket extends MQTTException {
  static {
    nameClass(MalformedPacket, 'MalformedPacket')
  }
}

/** The WebSocket handshake failed. */
export class WebsocketConnectionError extends Error {
  static {
    nameClass(WebsocketConnectionError, 'WebsocketConnectionError')
  }
}

/** `SocketLike.recv` has nothing to give, or `send` can take nothing. */
export class BlockingIOError extends Error {
  /** As Node calls it. */
  readonly code = 'EAGAIN'

  static {
    nameClass(BlockingIOError, 'BlockingIOError')
  }
}

function nameClass(target: { prototype: Error }, name: string): void {
  Object.defineProperty(target.prototype, 'name', { value: name, configurable: true, writable: true })
}
