import { ByteWriter } from './byte-writer.ts'

/** For packets, and parts of them, that are written only to see whether they can be: never committed to. */
export const scratch: ByteWriter = /* @__PURE__ */ new ByteWriter()
