/** Counters since the client was made. They only grow. */
export interface Counters {
  bytesSent: number
  bytesReceived: number
  /** Publications handed to `publish()`. */
  published: number
  /** Publications that failed, with or without somebody who asked. */
  publishFailures: number
  messagesReceived: number
  /** Received messages that no consumer saw, and publications that the queue dropped. */
  dropped: number
  /** Connections that reached CONNACK. */
  connections: number
  /** Connections that were lost without being asked to. */
  connectionsLost: number
  /** Attempts to connect that failed. */
  connectFailures: number
  /** Sessions that the server had forgotten. */
  sessionsLost: number
  /** Failures that no promise carried. */
  errors: number
}

/** What `client.stats` gives: the counters, and how things stand now. */
export interface ClientStats extends Readonly<Counters> {
  /** Publications that wait to be sent. */
  readonly queuedMessages: number
  /** Payload bytes of those. */
  readonly queuedBytes: number
  /** QoS 1 and 2 exchanges under way. */
  readonly inFlight: number
  /** Received QoS 1 and 2 messages that the application has not finished with. */
  readonly unacknowledged: number
}

export function newCounters(): Counters {
  return {
    bytesSent: 0,
    bytesReceived: 0,
    published: 0,
    publishFailures: 0,
    messagesReceived: 0,
    dropped: 0,
    connections: 0,
    connectionsLost: 0,
    connectFailures: 0,
    sessionsLost: 0,
    errors: 0,
  }
}
