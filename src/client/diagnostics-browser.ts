/** Takes the place of diagnostics.ts in browsers, which have no `node:diagnostics_channel`: nobody can subscribe. */

const silent = { hasSubscribers: false, publish: (_message: unknown): void => {} }

export const packetSendChannel: typeof silent = silent
export const packetReceiveChannel: typeof silent = silent

export function traceConnect<T>(body: () => Promise<T>, _context: () => object): Promise<T> {
  return body()
}

export function isHandlerTraced(): boolean {
  return false
}

export function traceHandler<T>(body: () => Promise<T>, _context: object): Promise<T> {
  return body()
}

export function isPublishTraced(): boolean {
  return false
}

export function tracePublish(_acked: Promise<unknown>, _context: object): void {}

export function showAs<T extends object>(_prototype: T, _describe: (object: T) => string): void {}
