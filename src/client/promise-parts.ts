/** The functions of the promise that was made last with `capturePromise`: one executor for all, no closure each. */
let captured: ((value: never) => void) | undefined
let capturedReject: ((error: unknown) => void) | undefined

function capture(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  captured = resolve
  capturedReject = reject
}

/** A promise with the functions that settle it. */
export class PromiseParts<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void

  constructor() {
    this.promise = new Promise<never>(capture) as Promise<T>
    this.resolve = captured as (value: unknown) => void
    this.reject = capturedReject as (error: unknown) => void
  }
}
