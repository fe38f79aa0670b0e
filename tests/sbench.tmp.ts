import { encode } from '/work/wt/lead/src/codec.ts'
import { Session, OutboundMessage, InboundMessage } from '/work/wt/lead/src/session.ts'
const noop = () => {}
let delivered: any[] = []
const sink: any = { onConnected: noop, onDisconnected: (e:any)=>console.log('disc',e), onMessage: (m:any) => delivered.push(m), onSettled: noop, onSent: noop, onResubscribed: noop, onSessionLost: noop, onAuthenticate: noop, onReauthenticated: noop, onPong: noop }
for (const v of [4,5] as const) {
const s = new Session({ onSessionLost: 'reject', resubscribe: true, autoTopicAlias: true, publishClass: InboundMessage, maxInflight: 65535 }, sink)
s.connect({ type:'connect', protocolVersion: v, cleanStart: true, keepAlive: 60, clientId: 'c' }, 1)
s.output.take()
s.receive(encode({ type:'connack', sessionPresent:false, reasonCode:0 }, { protocolVersion: v, from: 'server' }), 1)
const payload = new Uint8Array(64)
const topics = Array.from({length:1000}, (_,i)=>`bench/device/${i}/temp`)
for (let round = 0; round < 4; round++) {
  let t = performance.now(); const N = 500_000
  for (let i = 0; i < N; i++) { s.publish(new OutboundMessage(topics[i%1000]!, payload, 0, false, undefined, undefined, 0), 1); if ((i & 511) === 511) { s.output.take(); s.flushed(2) } }
  const q0 = (performance.now()-t)*1e6/N
  s.output.take()
  t = performance.now()
  const acks = new Uint8Array(512*4)
  for (let i = 0; i < N/512; i++) {
    for (let k = 0; k < 512; k++) { const m = new OutboundMessage(topics[k]!, payload, 1, false, undefined, undefined, 0); s.publish(m, 1); acks[k*4]=0x40; acks[k*4+1]=2; acks[k*4+2]=m.packetId>>8; acks[k*4+3]=m.packetId&255 }
    s.output.take(); s.flushed(2)
    s.receive(acks.slice(), 2)
  }
  const q1 = (performance.now()-t)*1e6/N
  // receive
  const chunks = [0,1].map(q => Buffer.concat(Array.from({length: 600}, (_, i) => encode({ type:'publish', topic: topics[i]!, payload, qos: q as 0|1, retain:false, dup:false, packetId: q ? i+1 : 0 }, { protocolVersion: v, from:'server' }))))
  const out: number[] = []
  for (const q of [0,1]) {
    t = performance.now(); const R = 800
    for (let i = 0; i < R; i++) { s.receive(chunks[q]!.slice(), 3); if (q) { for (const m of delivered) s.acknowledge(m); s.output.take(); s.flushed(3) } ; delivered = [] }
    out.push((performance.now()-t)*1e6/(R*600))
  }
  console.log('v'+v, 'pub0', q0.toFixed(0), 'pub1', q1.toFixed(0), 'recv0', out[0]!.toFixed(0), 'recv1', out[1]!.toFixed(0), 'ns')
}}
