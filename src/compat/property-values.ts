/** The values of properties by their types. */
import { KeyError, MalformedPacket, ValueError } from './errors.ts'
import {
  concat,
  readBytes,
  readInt16,
  readInt32,
  readUTF,
  VariableByteIntegers,
  writeBytes,
  writeInt16,
  writeInt32,
  writeUTF,
} from './wire-values.ts'

/** The value of a property of this type: an index into `TYPES`. */
export function writeValue(type: number, value: unknown): Uint8Array {
  switch (type) {
    case 0:
      if (!isInteger(value) || value < 0 || value > 255) throw new ValueError(`not a byte: ${value}`)
      return Uint8Array.of(value)
    case 1:
      return writeInt16(value as number)
    case 2:
      return writeInt32(value as number)
    case 3:
      return VariableByteIntegers.encode(value as number)
    case 4:
      return writeBytes(value as Uint8Array)
    case 5:
      return writeUTF(value as string)
    case 6:
      if (!Array.isArray(value) || value.length !== 2) throw new TypeError('a user property is [name, value]')
      return concat([writeUTF(value[0] as string), writeUTF(value[1] as string)])
    default:
      throw new KeyError(`Unknown property type: ${type}`)
  }
}

/** The value at the beginning of the buffer, and the bytes that it takes. */
export function readValue(buffer: Uint8Array, type: number): [unknown, number] {
  switch (type) {
    case 0:
      if (buffer.length < 1) throw new MalformedPacket('no byte to read')
      return [buffer[0], 1]
    case 1:
      return [readInt16(buffer), 2]
    case 2:
      return [readInt32(buffer), 4]
    case 3:
      return VariableByteIntegers.decode(buffer)
    case 4:
      return readBytes(buffer)
    case 5:
      return readUTF(buffer, buffer.length)
    case 6: {
      const [name, nameBytes] = readUTF(buffer, buffer.length)
      const [value, valueBytes] = readUTF(buffer.subarray(nameBytes), buffer.length - nameBytes)
      return [[name, value], nameBytes + valueBytes]
    }
    default:
      throw new KeyError(`Unknown property type: ${type}`)
  }
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value)
}
