/** What Paho's module `properties` holds; the namespace `properties` of the main entry. */
export { MalformedPacket, MQTTException } from './errors.ts'
export { Properties } from './properties.ts'
export {
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
