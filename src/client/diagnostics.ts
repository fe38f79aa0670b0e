/** The part of a channel of `node:diagnostics_channel` that is used here. */
interface Channel {
  readonly hasSubscribers: boolean
  publish(message: unknown): void
}

interface TracingChannel {
  readonly hasSubscribers?: boolean
  readonly start: Channel
  readonly end: Channel
  readonly asyncStart: Channel
  readonly asyncEnd: Channel
  readonly error: Channel
  tracePromise<T>(body: () => Promise<T>, context: object): Promise<T>
}

interface DiagnosticsModule {
  channel(name: string): Channel
  tracingChannel?(name: string): TracingChannel
}

/** Where there is no `node:diagnostics_channel`, nobody can subscribe. */
const silent: Channel = { hasSubscribers: false, publish: () => {} }

const diagnostics = (
  globalThis as { process?: { getBuiltinModule?: (name: string) => DiagnosticsModule | undefined } }
).process?.getBuiltinModule?.('node:diagnostics_channel')

/** `mqtt:packet:send` and `mqtt:packet:receive`: `{ clientId, packet }` for every packet. */
export const packetSendChannel: Channel = diagnostics?.channel('mqtt:packet:send') ?? silent
export const packetReceiveChannel: Channel = diagnostics?.channel('mqtt:packet:receive') ?? silent

const connectChannel = diagnostics?.tracingChannel?.('mqtt:connect')
const publishChannel = diagnostics?.tracingChannel?.('mqtt:publish')
const handlerChannel = diagnostics?.tracingChannel?.('mqtt:handler')

function isTraced(channel: TracingChannel | undefined): channel is TracingChannel {
  if (channel === undefined) return false
  const { hasSubscribers, start, end, asyncStart, asyncEnd, error } = channel
  // Node before 20.13 cannot tell for all five at once.
  return hasSubscribers ?? [start, end, asyncStart, asyncEnd, error].some((each) => each.hasSubscribers)
}

/** `tracing:mqtt:connect:*`: from `connect()` to CONNACK. */
export function traceConnect<T>(body: () => Promise<T>, context: () => object): Promise<T> {
  return isTraced(connectChannel) ? connectChannel.tracePromise(body, context()) : body()
}

/** Whether somebody follows handlers; one branch per call when not. */
export function isHandlerTraced(): boolean {
  return isTraced(handlerChannel)
}

/** `tracing:mqtt:handler:*`: one call of a handler. */
export function traceHandler<T>(body: () => Promise<T>, context: object): Promise<T> {
  return handlerChannel === undefined ? body() : handlerChannel.tracePromise(body, context)
}

/** Whether somebody follows publications; one branch per publication when not. */
export function isPublishTraced(): boolean {
  return isTraced(publishChannel)
}

/** `tracing:mqtt:publish:*`: from `publish()` to the acknowledgement. */
export function tracePublish(acked: Promise<unknown>, context: object): void {
  // The outcome belongs to whoever reads `acked`; this is only a spectator.
  publishChannel?.tracePromise(() => acked, context).catch(() => {})
}

/** What Node's `console.log` shows of the objects that have this prototype. */
export function showAs<T extends object>(prototype: T, describe: (object: T) => string): void {
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), {
    value(this: T): string {
      return describe(this)
    },
  })
}
