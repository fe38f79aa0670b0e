/** Publishing without a client of one's own: what Paho's module `publish` holds. */
export {
  type AuthParameter,
  type MessageDict,
  type MessagesList,
  type MessageTuple,
  multiple,
  single,
  type TLSParameter,
} from './one-shot.ts'
