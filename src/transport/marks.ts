/** Bytes that a transport holds above which whoever writes to it waits. The runtime's own mark of 16 KiB stalls at every large message. */
export const CONGESTION_MARK = 2_097_152

/**
 * Bytes, well below that: so little is left when a transport asks for more. One large message may still be on its way
 * then; to wait for 0 would leave the network idle.
 */
export const LOW_WATER = 1_310_720
