import { isFunction, isObject, isText, objectOf, type Rule } from '../option-rules.ts'
import type { WebSocketOptions } from './settings.ts'

const isTexts = (value: unknown): boolean => Object.values(value as object).every(isText)

/** Options of WebSocket, the same in browsers and elsewhere. */
export const websocketRule: Rule = objectOf({
  headers: ['a record of strings', (value) => isObject(value) && isTexts(value)],
  protocols: [
    'a string or a list of strings',
    (value) => isText(value) || (Array.isArray(value) && isTexts(value)),
  ],
  implementation: ['a WebSocket constructor', isFunction],
} satisfies Record<keyof WebSocketOptions, Rule>)
