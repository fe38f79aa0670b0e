/**
 * Where the session stands with the network.
 *
 *     offline ──connect()──> connecting ──AUTH──> authenticating
 *        ^                       │                     │
 *        │                       └────CONNACK──────────┴──> online
 *        └──── DISCONNECT either way, transport closed, refusal, violation ──── (from everywhere)
 *
 * Nothing but CONNECT, AUTH and DISCONNECT is written before `online`: until CONNACK the limits of the server are
 * unknown [MQTT 5.0 §3.1.4], and with an Authentication Method it is forbidden [MQTT-3.1.2-30].
 */
export type Phase = 'offline' | 'connecting' | 'authenticating' | 'online'

export const TRANSITIONS: Readonly<Record<Phase, readonly Phase[]>> = {
  offline: ['connecting'],
  connecting: ['authenticating', 'online', 'offline'],
  authenticating: ['online', 'offline'],
  online: ['offline'],
}
