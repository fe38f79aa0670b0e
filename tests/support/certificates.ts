import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key: PEM text, and the files they are in. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export interface Certificates {
  readonly ca: string
  readonly caFile: string
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: CertificatePair
  /** For broker.test only. */
  readonly otherName: CertificatePair
  /** CN=device-1; its key is encrypted with `passphrase`. */
  readonly client: CertificatePair & { readonly passphrase: string }
  /** For localhost, signed by itself. */
  readonly selfSigned: CertificatePair
}

let made: Certificates | undefined

/** Makes an authority and what it signs with the `openssl` command, once per process; gone when the process ends. */
export function certificates(): Certificates {
  made ??= make()
  return made
}

function make(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'certificates-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const file = (name: string): string => join(directory, name)
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory })
  }
  const read = (name: string): string => readFileSync(file(name), 'utf8')
  const pair = (name: string): CertificatePair => ({
    cert: read(`${name}.pem`),
    key: read(`${name}.key`),
    certFile: file(`${name}.pem`),
    keyFile: file(`${name}.key`),
  })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const selfSign = (name: string, subject: string, ...extensions: string[]): void => {
    openssl(
      ...['req', '-x509', ...key, '-nodes', '-days', '2', '-subj', subject],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...extensions.flatMap((extension) => ['-addext', extension]),
    )
  }
  const sign = (
    name: string,
    subject: string,
    alternativeNames: string | undefined,
    passphrase?: string,
  ): void => {
    const secret = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`]
    openssl(
      'req',
      '-new',
      ...key,
      ...secret,
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    writeFileSync(
      file(`${name}.ext`),
      alternativeNames === undefined ? '' : `subjectAltName=${alternativeNames}\n`,
    )
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    )
  }
  const localhost = 'DNS:localhost,IP:127.0.0.1,IP:::1'
  const passphrase = 'open sesame'
  selfSign('ca', '/CN=Test Authority')
  selfSign('selfSigned', '/CN=localhost', `subjectAltName=${localhost}`)
  sign('server', '/CN=localhost', localhost)
  sign('otherName', '/CN=broker.test', 'DNS:broker.test')
  sign('client', '/CN=device-1', undefined, passphrase)
  return {
    ca: read('ca.pem'),
    caFile: file('ca.pem'),
    server: pair('server'),
    otherName: pair('otherName'),
    client: { ...pair('client'), passphrase },
    selfSigned: pair('selfSigned'),
  }
}
