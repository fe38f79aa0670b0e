import { MqttError } from '../errors.ts'
import type { HandleOptions, HandlerContext } from './handling.ts'
import type { ClientHost } from './host.ts'
import type { AnyMessage } from './message.ts'
import type { Payload } from './payload.ts'
import type { PublishOptions } from './publication.ts'
import { writeRemoteError } from './remote-error.ts'

/** An answer with properties of its own. */
export interface ResponseWithOptions extends Omit<PublishOptions, 'correlationData' | 'signal'> {
  readonly payload?: Payload | undefined
}

export type Response = Payload | ResponseWithOptions | undefined

/** Returns the answer. What it throws travels back: the asking side's `request()` rejects with it. */
export type RequestHandler<M extends AnyMessage> = (
  request: M,
  context: HandlerContext,
) => Response | PromiseLike<Response>

export type RespondOptions<M extends AnyMessage = AnyMessage> = Omit<
  HandleOptions<M>,
  'retry' | 'deadLetter' | 'onError'
>

/**
 * The answering side of MQTT 5.0 request/response: publishes what the handler makes of a request to the topic that the
 * request names. The request is acknowledged when the answer is, so that a responder which dies is asked again.
 */
export async function respondWith<M extends AnyMessage>(
  host: ClientHost,
  handler: RequestHandler<M>,
  request: M,
  context: HandlerContext,
): Promise<void> {
  const { responseTopic, correlationData } = request.properties
  if (responseTopic === undefined) {
    host.dropped(request, 'it is no request: it has no Response Topic')
    return
  }
  let answer: ResponseWithOptions
  try {
    const response = (await handler(request, context)) ?? undefined
    answer = isOptions(response) ? response : { payload: response }
  } catch (error) {
    answer = { userProperties: writeRemoteError(error) }
  }
  const { qos } = request
  let isPublished = false
  try {
    const { payload, ...options } = answer
    const { acked } = host.publish(responseTopic, payload, { qos, ...options, correlationData })
    isPublished = true
    await acked
  } catch (cause) {
    if (host.ended !== undefined) throw cause
    host.report(
      new MqttError(
        `The answer to a request on "${request.topic}" could not be published to "${responseTopic}": ${String(cause)}`,
        {
          code: 'ERR_MQTT_RESPONSE',
          cause,
        },
      ),
    )
    // It can never be sent: whoever asked is told so, instead of waiting in vain.
    if (!isPublished) {
      const userProperties = writeRemoteError(cause)
      host.publish(responseTopic, '', { qos, userProperties, correlationData })
    }
  }
}

function isOptions(response: Response): response is ResponseWithOptions {
  return (
    typeof response === 'object' && !(response instanceof Uint8Array) && !(response instanceof ArrayBuffer)
  )
}
