import { bindArguments, type WithKeywords } from './call-arguments.ts'
import { MQTTErrorCode } from './enums.ts'
import { error_string } from './error-text.ts'
import { RuntimeError, ValueError } from './errors.ts'

const WAIT_PARAMETERS = ['timeout'] as const
type WaitParameters = [timeout?: number | null]

/** Ends the waiting for a message; for the layer alone. An `rc` says that the message is lost. */
export let finishInfo: (info: MQTTMessageInfo, rc?: MQTTErrorCode) => void

/** What `publish()` returns. Also reads as the pair `[rc, mid]`. */
export class MQTTMessageInfo implements Iterable<number> {
  mid: number
  /** Whether the message was taken; 0 also for one that waits. */
  rc: MQTTErrorCode = MQTTErrorCode.MQTT_ERR_SUCCESS
  #finished = false
  #waiting: (() => void)[] = []
  #position = 0

  constructor(mid: number) {
    this.mid = mid
  }

  get 0(): MQTTErrorCode {
    return this.rc
  }

  get 1(): number {
    return this.mid
  }

  /**
   * Whether the message is finished: written (QoS 0), or acknowledged in full (QoS 1 and 2).
   *
   * @throws ValueError when the queue was full, RuntimeError for any other `rc` above 0: also for a message that was
   *   published without a connection, although it will be sent
   */
  is_published(): boolean {
    this.#check()
    return this.#finished
  }

  /**
   * Resolves when the message is finished, or when the timeout is over: ask `is_published()` which it was. Does not
   * drive the loop. Rejects as `is_published()` throws.
   *
   * @param timeout - seconds; `null`, the default, waits for ever
   */
  wait_for_publish(...args: WaitParameters): Promise<void>
  wait_for_publish(...args: WithKeywords<typeof WAIT_PARAMETERS, WaitParameters>): Promise<void>
  async wait_for_publish(...args: unknown[]): Promise<void> {
    const [timeout = null] = bindArguments<WaitParameters>(WAIT_PARAMETERS, 0, args)
    this.#check()
    if (!this.#finished) await this.#wait(timeout)
    this.#check()
  }

  /** `rc`, then `mid`. */
  next(): IteratorResult<number> {
    const pair = [this.rc, this.mid]
    const value = pair[this.#position]
    if (value === undefined) return { done: true, value: undefined }
    this.#position += 1
    return { done: false, value }
  }

  /** `rc`, then `mid`; starts over each time. */
  *[Symbol.iterator](): Iterator<number> {
    yield this.rc
    yield this.mid
  }

  toString(): string {
    return `(${this.rc}, ${this.mid})`
  }

  #check(): void {
    if (this.rc === MQTTErrorCode.MQTT_ERR_QUEUE_SIZE)
      throw new ValueError('Message is not queued: the queue is full')
    if (this.rc > 0) throw new RuntimeError(`Message publish failed: ${error_string(this.rc)}`)
  }

  #wait(timeout: number | null): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (timeout === null) return
      const timer = setTimeout(resolve, Math.max(timeout, 0) * 1000)
      this.#waiting.push(() => clearTimeout(timer))
    })
  }

  static {
    finishInfo = (info, rc) => {
      if (info.#finished) return
      if (rc !== undefined) info.rc = rc
      info.#finished = true
      for (const resume of info.#waiting.splice(0)) resume()
    }
  }
}
