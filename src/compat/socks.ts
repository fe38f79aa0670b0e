/** Kinds of proxy for `proxy_set`, with the numbers of PySocks. */
export const SOCKS4 = 1
export const SOCKS5 = 2
export const HTTP = 3
