import type { ByteWriter } from './byte-writer.ts'

/** Writes a PINGREQ. Returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`. */
export function encodePingreq(writer: ByteWriter): number {
  writer.begin(0xc0, 0)
  return writer.end(0)
}

/** Writes a PINGRESP. Returns bytes appended; 0 = nothing, because it would exceed `writer.maximumPacketSize`. */
export function encodePingresp(writer: ByteWriter): number {
  writer.begin(0xd0, 0)
  return writer.end(0)
}
