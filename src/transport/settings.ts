/** How sockets are made. Node, Bun and Deno. */
export interface SocketOptions {
  /** Local address to connect from. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** 4 or 6 restricts address lookup to that family. @default 0 — both, the runtime's happy eyeballs decide */
  readonly family?: 0 | 4 | 6 | undefined
  /** Send at once instead of waiting for more (TCP_NODELAY). The client writes once per turn anyway. @default true */
  readonly noDelay?: boolean | undefined
  /** TCP keep-alive probes; MQTT has its own keep-alive. @default false */
  readonly keepAlive?: boolean | undefined
  /** Replaces DNS lookup, with the signature of `dns.lookup`. */
  readonly lookup?:
    | ((
        hostname: string,
        options: { readonly family?: number | string; readonly all?: boolean },
        callback: (error: Error | null, address: never, family?: number) => void,
      ) => void)
    | undefined
}

/** PEM, as text or bytes: one certificate or several. */
export type Certificates = string | Uint8Array | readonly (string | Uint8Array)[]

/** How TLS is done. Names are those of `tls.connect` in Node, whose documentation applies. */
export interface TlsOptions {
  /** Authorities to trust instead of the built-in ones. */
  readonly ca?: Certificates | undefined
  /** The client's certificate, with what chains it to its authority. */
  readonly cert?: Certificates | undefined
  /** Private key of `cert`, in PEM. */
  readonly key?: string | Uint8Array | undefined
  /** PKCS#12 bundle instead of `cert` and `key`. */
  readonly pfx?: Uint8Array | undefined
  /** Decrypts `key` or `pfx`. */
  readonly passphrase?: string | undefined
  /** Name sent in SNI and looked for in the server's certificate. @default the host of the URL */
  readonly servername?: string | undefined
  /** Protocols to offer in ALPN. Over WebSocket always `http/1.1`. @default none */
  readonly ALPNProtocols?: readonly string[] | undefined
  /** `false` accepts any certificate: never in production. @default true */
  readonly rejectUnauthorized?: boolean | undefined
  /** What Node's `tls.createSecureContext` made, instead of everything it is made of. */
  readonly secureContext?: object | undefined
  /** Pre-shared key instead of certificates. */
  readonly psk?: { readonly identity: string; readonly key: Uint8Array } | undefined
  /** @default the runtime's; with `psk`, the PSK suites of TLS 1.2 */
  readonly ciphers?: string | undefined
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Replaces the check of the server's name against its certificate. Returns what is wrong, or nothing. */
  readonly checkServerIdentity?: ((hostname: string, certificate: object) => Error | undefined) | undefined
}

/** A constructor with the face of the WebSocket of browsers. Called with headers (third argument) only when there are some. */
export type WebSocketConstructor = new (
  url: string,
  protocols: string[],
  options?: { readonly headers: Readonly<Record<string, string>> },
) => object

export interface WebSocketOptions {
  /** Headers of the upgrade request. Browsers can not send any. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Subprotocols to offer. @default 'mqtt', for MQTT 3.1 'mqttv3.1' */
  readonly protocols?: string | readonly string[] | undefined
  /** @default the package `ws` on Node, the global WebSocket elsewhere */
  readonly implementation?: WebSocketConstructor | undefined
}

export interface TransportOptions {
  readonly socket?: SocketOptions | undefined
  readonly tls?: TlsOptions | undefined
  readonly websocket?: WebSocketOptions | undefined
  /** `http:`, `https:` (CONNECT), `socks4:`, `socks4a:`, `socks5:`, `socks5h:`; user and password are read from it. */
  readonly proxy?: string | URL | undefined
  /** Chooses the WebSocket subprotocol. @default 5 */
  readonly protocolVersion?: 3 | 4 | 5 | undefined
  /** Bytes; bounds what one WebSocket message may hold. @default 268,435,460 */
  readonly maximumPacketSize?: number | undefined
}
