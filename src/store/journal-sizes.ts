/** Sizes that a journal works by, in bytes unless they say otherwise. */
export interface JournalSizes {
  /** A block is finished when it has grown to this: a turn that publishes a lot makes several. */
  block: number
  /** A segment takes blocks until it has this size. */
  segment: number
  /** The front of the log is cut off in pieces of about this size: each cut writes the state of the session anew. */
  cut: number
  /** Or in pieces of so many blocks. */
  cutBlocks: number
  /** Finished records that the log may carry, beyond as many bytes as are unfinished, before it moves what holds it up. */
  slack: number
  /** Of unfinished publications that one flush records anew, about: a flush stays short. */
  move: number
}

/** The simulation makes them small, so that what takes megabytes otherwise happens within a few messages. */
export const journalSizes: JournalSizes = {
  block: 64 * 1024,
  segment: 64 * 1024,
  cut: 256 * 1024,
  cutBlocks: 64,
  slack: 4 * 1024 * 1024,
  move: 1024 * 1024,
}
