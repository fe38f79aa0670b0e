import { Driver } from '../../src/client/driver.ts'
import { Outbox } from '../../src/session/outbox.ts'
import { BlockWriter } from '../../src/session/stored-record.ts'
import { DurableJournal } from '../../src/store/durable-journal.ts'
import { MessageLog } from '../../src/store/message-log.ts'
import { Replay } from '../../src/store/replay.ts'
import { StoredBacklog } from '../../src/store/stored-backlog.ts'
import { type Defect, replace } from './defects.ts'

/** Replaces a getter. */
function replaceGetter<T extends object>(target: T, name: keyof T, get: (this: T) => unknown): () => void {
  const original = Object.getOwnPropertyDescriptor(target, name) as PropertyDescriptor
  Object.defineProperty(target, name, { ...original, get })
  return () => Object.defineProperty(target, name, original)
}

/** Mistakes that a journal might contain, or whoever uses it, put into the real ones. */
export const storeDefects: readonly Defect[] = [
  {
    name: 'a flush resolves before the write has ended',
    install: () =>
      replace(DurableJournal.prototype, 'flush', (original) => {
        return function (this: DurableJournal) {
          original.call(this).catch(() => {})
          return new Promise((resolve) => setImmediate(resolve))
        }
      }),
  },
  {
    name: 'output does not wait for the records that it depends on',
    install: () => replaceGetter(DurableJournal.prototype, 'binding', () => false),
  },
  {
    name: 'what is recorded counts as stored',
    install: () => replaceGetter(DurableJournal.prototype, 'storedThrough', () => Number.MAX_SAFE_INTEGER),
  },
  {
    name: 'a publication is not recorded',
    install: () =>
      replace(DurableJournal.prototype, 'published', (original) => {
        return function (this: DurableJournal, message) {
          if (message.sequence % 10 !== 0) original.call(this, message)
        }
      }),
  },
  {
    name: 'the first sending of what had waited is not recorded',
    install: () => replace(DurableJournal.prototype, 'sent', () => () => {}),
  },
  {
    name: 'PUBREC is not recorded',
    install: () => replace(DurableJournal.prototype, 'released', () => () => {}),
  },
  {
    name: 'the end of a publication is not recorded',
    install: () => replace(DurableJournal.prototype, 'settled', () => () => {}),
  },
  {
    name: 'a received QoS 2 identifier is not recorded',
    install: () => replace(DurableJournal.prototype, 'received', () => () => {}),
  },
  {
    name: 'its release is not recorded',
    install: () => replace(DurableJournal.prototype, 'completed', () => () => {}),
  },
  {
    name: 'a lost session is not recorded',
    install: () => replace(DurableJournal.prototype, 'sessionLost', () => () => {}),
  },
  {
    name: 'the front of the log is cut off by one segment too many',
    install: () =>
      replace(MessageLog.prototype, 'cut', (original) => {
        return function (this: MessageLog<unknown>, count) {
          const next = this.segments[count]
          const gone = original.call(this, count)
          return next === undefined ? gone : [...gone, next.position]
        }
      }),
  },
  {
    name: 'what is received is not carried over when the log is cut',
    install: () => replace(BlockWriter.prototype, 'receivedSet', () => () => {}),
  },
  {
    name: 'what is moved to the end of the log loses its packet identifier',
    install: () =>
      replace(BlockWriter.prototype, 'publication', (original) => {
        return function (this: BlockWriter, message, sequence, packetId, releaseOrder, moved) {
          original.call(this, message, sequence, moved ? 0 : packetId, releaseOrder, moved)
        }
      }),
  },
  {
    name: 'a run of ends is read back as one longer',
    install: () =>
      replace(Replay.prototype, 'onSettled', (original) => {
        return function (this: Replay<unknown>, first, count) {
          original.call(this, first, count + 1)
        }
      }),
  },
  {
    name: 'a lost session is forgotten when the log is read',
    install: () => replace(Replay.prototype, 'onSessionLost', () => () => {}),
  },
  {
    name: 'a released publication is restored as one that was sent',
    install: () => replace(Replay.prototype, 'onReleased', () => () => {}),
  },
  {
    name: 'what is restored goes out in the wrong order',
    install: () =>
      replace(Outbox.prototype, 'restore', (original) => {
        let late: Parameters<Outbox['restore']>[0] | undefined
        return function (this: Outbox, message) {
          if (message.packetId === 0 && late === undefined && message.sequence % 7 === 0) {
            late = message
            return
          }
          original.call(this, message)
          if (late !== undefined) original.call(this, late)
          late = undefined
        }
      }),
  },
  {
    name: 'sequence numbers begin anew in each process',
    install: () =>
      replace(Driver.prototype, 'openStore', (original) => {
        return function (this: Driver, journal, state) {
          original.call(this, journal, { ...state, lastSequence: 0 })
        }
      }),
  },
  {
    name: 'what is fetched from the store skips one',
    install: () =>
      replace(StoredBacklog.prototype, 'fetch', (original) => {
        return function (this: StoredBacklog, messages, bytes) {
          if (this.size > 2 && this.first % 5 === 0) this.remove(this.first)
          original.call(this, messages, bytes)
        }
      }),
  },
]
