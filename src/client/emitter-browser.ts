type Listener = (...details: never[]) => void

interface Registration {
  readonly listener: Listener
  readonly once: boolean
}

/**
 * Takes the place of eventemitter3 in pages, where a kilobyte for five methods is much. An event is told to those who listen
 * when it comes.
 */
export class EventEmitter {
  readonly #registrations = new Map<string, readonly Registration[]>()

  on(event: string, listener: Listener): void {
    this.#set(event, [...this.#of(event), { listener, once: false }])
  }

  once(event: string, listener: Listener): void {
    this.#set(event, [...this.#of(event), { listener, once: true }])
  }

  off(event: string, listener: Listener): void {
    this.#set(
      event,
      this.#of(event).filter((one) => one.listener !== listener),
    )
  }

  emit(event: string, ...details: readonly never[]): void {
    for (const registration of this.#of(event)) {
      if (registration.once) {
        this.#set(
          event,
          this.#of(event).filter((one) => one !== registration),
        )
      }
      registration.listener(...details)
    }
  }

  listenerCount(event: string): number {
    return this.#of(event).length
  }

  #of(event: string): readonly Registration[] {
    return this.#registrations.get(event) ?? []
  }

  #set(event: string, registrations: readonly Registration[]): void {
    this.#registrations.set(event, registrations)
  }
}
