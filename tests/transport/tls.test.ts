import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net'
import { createServer, type TlsOptions as ServerOptions, type TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { ConnectError, OptionsError } from '../../src/errors.ts'
import { parseEndpoint } from '../../src/transport/endpoint.ts'
import { openTransport } from '../../src/transport/open.ts'
import type { TlsOptions } from '../../src/transport/settings.ts'
import { certificates } from '../support/certificates.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

const servers: Server[] = []
const peers = new Set<TLSSocket>()

afterEach(() => {
  for (const peer of peers) peer.destroy()
  peers.clear()
  for (const server of servers.splice(0)) server.close()
})

/** An echoing TLS server; its connections are in `peers`. */
async function listen(options: ServerOptions): Promise<number> {
  const server = createServer(options, (socket) => {
    peers.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.on('tlsClientError', () => {})
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const open = (port: number, tls: TlsOptions, handler = new RecordingHandler(), host = 'localhost') =>
  openTransport(parseEndpoint(`mqtts://${host}:${port}`), { tls })({
    signal: new AbortController().signal,
    handler,
  })

/** Sends a word and expects it back; gives the server's end. */
async function echo(port: number, tls: TlsOptions, host?: string): Promise<TLSSocket> {
  const handler = new RecordingHandler()
  const transport = await open(port, tls, handler, host)
  transport.write([Buffer.from('he'), Buffer.from('llo')])
  await handler.receivedBytes(5)
  expect(handler.text).toBe('hello')
  const [peer] = peers
  if (peer === undefined) throw new Error('no connection')
  transport.end()
  expect(await handler.closed).toBeUndefined()
  return peer
}

const serverCertificate = (): ServerOptions => ({
  cert: certificates().server.cert,
  key: certificates().server.key,
})

test('trusts the given authority and names the host in SNI', async () => {
  const peer = await echo(await listen(serverCertificate()), { ca: certificates().ca })
  // Node types `servername` on clients alone.
  expect((peer as TLSSocket & { servername: string }).servername).toBe('localhost')
})

test('an address stands in the certificate, not in SNI', async () => {
  const peer = await echo(await listen(serverCertificate()), { ca: [certificates().ca] }, '127.0.0.1')
  expect((peer as TLSSocket & { servername: string | false }).servername).toBe(false)
})

test('refuses an unknown authority by default, and says what to do', async () => {
  const port = await listen(serverCertificate())
  const attempt = open(port, {})
  await expect(attempt).rejects.toThrow(ConnectError)
  await expect(attempt).rejects.toThrow(/tls\.ca/)
  expect(peers.size).toBe(0)
})

test('refuses a self-signed certificate by default, and says what to do', async () => {
  const { cert, key } = certificates().selfSigned
  const port = await listen({ cert, key })
  const attempt = open(port, {})
  await expect(attempt).rejects.toThrow(/self-signed.*tls\.ca/)
  await expect(attempt).rejects.toMatchObject({ cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  // Trusted when it is passed, or when the user has given up on knowing whom he talks to.
  await echo(port, { ca: cert })
  await echo(port, { rejectUnauthorized: false })
})

test('refuses a certificate for another name unless that name is asked for', async () => {
  const { ca, otherName } = certificates()
  const port = await listen({ cert: otherName.cert, key: otherName.key })
  await expect(open(port, { ca })).rejects.toThrow(/another name.*tls\.servername/)
  const peer = await echo(port, { ca, servername: 'broker.test' })
  expect((peer as TLSSocket & { servername: string }).servername).toBe('broker.test')
  peers.clear()
  await echo(port, { ca, checkServerIdentity: () => undefined })
})

test('shows a client certificate whose key is encrypted', async () => {
  const { ca, client } = certificates()
  const port = await listen({ ...serverCertificate(), ca, requestCert: true, rejectUnauthorized: true })
  const { cert, key, passphrase } = client
  const handler = new RecordingHandler()
  const transport = await open(port, { ca, cert, key: Buffer.from(key), passphrase }, handler)
  transport.write([Buffer.from('x')])
  await handler.receivedBytes(1)
  expect([...peers][0]?.getPeerCertificate().subject.CN).toBe('device-1')
  transport.destroy()

  await expect(open(port, { ca, cert, key, passphrase: 'wrong' })).rejects.toThrow(OptionsError)
  await expect(open(port, { ca, cert, key, passphrase: 'wrong' })).rejects.toThrow(/passphrase/)
  await expect(open(port, { ca: 'nonsense', cert: 'nonsense' })).rejects.toThrow(OptionsError)
})

test('a server that wants a certificate ends the connection with a cause when there is none', async () => {
  const { ca } = certificates()
  const port = await listen({ ...serverCertificate(), ca, requestCert: true, rejectUnauthorized: true })
  // In TLS 1.3 the server objects after the client's handshake is done.
  const handler = new RecordingHandler()
  await open(port, { ca }, handler)
  expect(await handler.closed).toMatchObject({
    code: expect.stringMatching(/CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/),
  })
  await expect(open(port, { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow(ConnectError)
})

test('offers protocols in ALPN', async () => {
  const port = await listen({ ...serverCertificate(), ALPNProtocols: ['mqtt'] })
  const peer = await echo(port, { ca: certificates().ca, ALPNProtocols: ['x-other', 'mqtt'] })
  expect(peer.alpnProtocol).toBe('mqtt')
  await expect(open(port, { ca: certificates().ca, ALPNProtocols: ['x-other'] })).rejects.toThrow(
    ConnectError,
  )
})

test('pre-shared keys', async () => {
  const key = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
  const port = await listen({
    ciphers: 'PSK',
    pskCallback: (_socket, identity) => (identity === 'device-1' ? key : null),
  })
  await echo(port, { psk: { identity: 'device-1', key } })
  await expect(open(port, { psk: { identity: 'device-2', key } })).rejects.toThrow(ConnectError)
  await expect(open(port, { psk: { identity: 'device-1', key: Buffer.alloc(16) } })).rejects.toThrow(
    ConnectError,
  )
})

test('aborting during the handshake rejects with the reason and closes the socket', async () => {
  const { createServer: createTcpServer } = await import('node:net')
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const controller = new AbortController()
  const reason = new Error('enough')
  const attempt = openTransport(parseEndpoint(`mqtts://localhost:${(server.address() as AddressInfo).port}`))(
    {
      signal: controller.signal,
      handler: new RecordingHandler(),
    },
  )
  const [socket] = await once(server, 'connection')
  await once(socket, 'data')
  controller.abort(reason)
  await expect(attempt).rejects.toBe(reason)
  await once(socket, 'close')
  server.close()
})

test('a server that speaks no TLS is one clear error', async () => {
  const { createServer: createTcpServer } = await import('node:net')
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.end('20020000')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await expect(open((server.address() as AddressInfo).port, {})).rejects.toThrow(ConnectError)
  server.close()
})

test("what a check of the user's own throws refuses the server, and is thrown nowhere else", async () => {
  const port = await listen(serverCertificate())
  const cause = new Error('not this one')
  const checkServerIdentity = (): never => {
    throw cause
  }
  await expect(open(port, { ca: certificates().ca, checkServerIdentity })).rejects.toMatchObject({ cause })
})

test('with a pre-shared key and `ciphers`, a server that shows a certificate after all must show the right one', async () => {
  const { ca, otherName } = certificates()
  const port = await listen({ cert: otherName.cert, key: otherName.key })
  const tls = { ca, ciphers: 'ALL', psk: { identity: 'device-1', key: Buffer.alloc(16) } }
  await expect(open(port, tls)).rejects.toThrow(/another name/)
  await echo(port, { ...tls, servername: 'broker.test' })
})

test('a certificate without its key, and a key without its certificate, are refused', async () => {
  const { ca, client, server } = certificates()
  const port = await listen(serverCertificate())
  await expect(open(port, { ca, cert: client.cert })).rejects.toMatchObject({ path: 'tls.key' })
  await expect(open(port, { ca, key: server.key })).rejects.toMatchObject({ path: 'tls.cert' })
})

test('a key that is not that of the certificate is refused, also one of another kind, which Node would leave out', async () => {
  const { ca, client, server } = certificates()
  const port = await listen(serverCertificate())
  await expect(open(port, { ca, cert: client.cert, key: server.key })).rejects.toMatchObject({ path: 'tls' })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await expect(open(port, { ca, cert: client.cert, key })).rejects.toThrow(/private key is not that of/)
})

test('a file may hold the certificate, its authority and the key, in any order', async () => {
  const { ca, client, server } = certificates()
  const port = await listen({ ...serverCertificate(), ca, requestCert: true, rejectUnauthorized: true })
  for (const parts of [
    [server.cert, server.key, ca],
    ['A comment\n', server.key, server.cert],
  ]) {
    const file = parts.join('')
    await echo(port, { ca, cert: file, key: Buffer.from(file) })
  }
  // Two identities: which of them is shown is between the runtime and the server.
  await echo(port, { ...client, ca, cert: [client.cert] })
})

test("what OpenSSL says is told in words and with what to do, without lines of OpenSSL's source", async () => {
  const { ca } = certificates()
  const mutual = { ...serverCertificate(), ca, requestCert: true, rejectUnauthorized: true }
  const noTls = await listenPlain((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const cuts = await listenPlain((socket) => socket.once('data', () => socket.destroy()))
  const psk = { identity: 'device-2', key: Buffer.alloc(16) }
  const pskOnly = await listen({ ciphers: 'PSK', pskCallback: () => null })
  const newOnly = await listen({ ...serverCertificate(), minVersion: 'TLSv1.3' })
  const alpn = await listen({ ...serverCertificate(), ALPNProtocols: ['mqtt'] })
  const attempts: [port: number, tls: TlsOptions, words: RegExp][] = [
    [noTls, {}, /does not speak TLS/],
    [cuts, {}, /does this port speak TLS/],
    [await listen(mutual), { ca, maxVersion: 'TLSv1.2' }, /client certificate.*tls\.cert/],
    [pskOnly, { psk }, /identity in `tls\.psk`/],
    [newOnly, { ca, maxVersion: 'TLSv1.2' }, /tls\.maxVersion/],
    [alpn, { ca, ALPNProtocols: ['x'] }, /tls\.ALPNProtocols/],
    [newOnly, { ca, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, /tls\.minVersion/],
  ]
  for (const [port, tls, words] of attempts) {
    const error = (await open(port, tls).catch((thrown: unknown) => thrown)) as ConnectError
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toMatch(words)
    expect(error.message).toMatch(/^Could not connect to mqtts:\/\/localhost:\d+: .*\([A-Z_0-9/]+\)$/)
  }
  // In TLS 1.3 the server says it after the client's handshake is done.
  const handler = new RecordingHandler()
  await open(await listen(mutual), { ca }, handler)
  const cause = await handler.closed
  if ((cause as NodeJS.ErrnoException).code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
    expect(cause?.message).toMatch(/^it wants a client certificate; pass `tls\.cert` and `tls\.key` \(/)
  expect(cause?.message).not.toMatch(/\n|openssl/)
})

async function listenPlain(greet: (socket: Socket) => void): Promise<number> {
  const server = createPlainServer((socket) => {
    socket.on('error', () => {})
    greet(socket)
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
