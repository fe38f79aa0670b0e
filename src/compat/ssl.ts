/** Arguments of `tls_set`, with the numbers of Python's `ssl` module. */
export const CERT_NONE = 0
/** Works like `CERT_REQUIRED`, as for any client. */
export const CERT_OPTIONAL = 1
export const CERT_REQUIRED = 2

/** The best version that both sides have. */
export const PROTOCOL_TLS = 2
export const PROTOCOL_TLS_CLIENT = 16
/** Exactly TLS 1.0. */
export const PROTOCOL_TLSv1 = 3
/** Exactly TLS 1.1. */
export const PROTOCOL_TLSv1_1 = 4
/** Exactly TLS 1.2. */
export const PROTOCOL_TLSv1_2 = 5
