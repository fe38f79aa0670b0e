import { authLayout } from './auth.ts'
import { connackLayout } from './connack.ts'
import { connectLayout } from './connect.ts'
import { disconnectLayout } from './disconnect.ts'
import type { Layout } from './field-stream.ts'
import type { AckPacket, Packet, PublishFields } from './packet.ts'
import { subackLayout } from './suback.ts'
import { subscribeLayout } from './subscribe.ts'
import { unsubackLayout } from './unsuback.ts'
import { unsubscribeLayout } from './unsubscribe.ts'

type Layouts = { readonly [P in Exclude<Packet, PublishFields | AckPacket> as P['type']]: Layout<P> }

/** By `type`; PUBLISH and its acknowledgements, of which there are many, have functions of their own for each direction. */
export const LAYOUTS: Layouts = {
  connect: connectLayout,
  connack: connackLayout,
  subscribe: subscribeLayout,
  suback: subackLayout,
  unsubscribe: unsubscribeLayout,
  unsuback: unsubackLayout,
  pingreq: () => ({ type: 'pingreq' }),
  pingresp: () => ({ type: 'pingresp' }),
  disconnect: disconnectLayout,
  auth: authLayout,
}
