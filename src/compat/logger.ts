import { debuglog } from 'node:util'
import { LogLevel } from './enums.ts'

/** Where log lines go; `console` is one. */
export interface Logger {
  debug(m: string): void
  info(m: string): void
  warn(m: string): void
  error(m: string): void
}

const levels: Record<LogLevel, keyof Logger> = {
  [LogLevel.MQTT_LOG_DEBUG]: 'debug',
  [LogLevel.MQTT_LOG_INFO]: 'info',
  [LogLevel.MQTT_LOG_NOTICE]: 'info',
  [LogLevel.MQTT_LOG_WARNING]: 'warn',
  [LogLevel.MQTT_LOG_ERR]: 'error',
}

/** The method of a logger for each `LogLevel`. */
export const LOGGING_LEVEL: Readonly<Record<LogLevel, keyof Logger>> = Object.freeze(levels)

const debug = debuglog('mqtt-await')

/** Warnings and errors on the console, the rest with `NODE_DEBUG=mqtt-await`. */
export const defaultLogger: Logger = {
  debug: (line) => debug('%s', line),
  info: (line) => debug('%s', line),
  warn: (line) => console.warn(line),
  error: (line) => console.error(line),
}
