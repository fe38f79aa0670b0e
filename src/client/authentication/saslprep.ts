import { OptionsError, wrongOption } from '../../errors.ts'

/** RFC 3454 C.1.2: spaces other than U+0020 become that. */
const OTHER_SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g
/** RFC 3454 B.1: commonly mapped to nothing. */
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g
/** RFC 3454 C.2 to C.9 without the unassigned: controls, private use, non-characters, surrogates, tags and the like. */
const FORBIDDEN =
  /[\p{Cc}\p{Co}\p{Cs}\u06dd\u070f\u180e\u2028\u2029\u2061-\u2063\u206a-\u206f\ufff9-\uffff\u2ff0-\u2ffb\u200e\u200f\u202a-\u202e\u{e0001}\u{e0020}-\u{e007f}]/u
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u

/**
 * SASLprep (RFC 4013) for user names and passwords, in the profile for queries: unassigned code points pass.
 *
 * @throws OptionsError for what it prohibits; the text itself is not repeated
 */
export function saslprep(text: string, path: string): string {
  if (typeof text !== 'string') throw wrongOption(path, 'a string', typeof text)
  // Most are plain ASCII, which it leaves alone.
  if (/^[\x20-\x7e]*$/.test(text)) return text
  const prepared = text.replace(OTHER_SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  const fault = FORBIDDEN.test(prepared)
    ? 'holds a character that SASLprep prohibits'
    : RIGHT_TO_LEFT.test(prepared) && !isConsistentlyRightToLeft(prepared)
      ? 'mixes writing directions in a way that SASLprep prohibits'
      : undefined
  if (fault === undefined) return prepared
  throw new OptionsError(`${path} ${fault} (RFC 4013)`, { path, expected: 'text that SASLprep allows' })
}

/** RFC 3454 section 6: with right-to-left characters, no left-to-right ones, and one at either end. */
function isConsistentlyRightToLeft(text: string): boolean {
  const characters = [...text]
  const first = characters[0] ?? ''
  const last = characters.at(-1) ?? ''
  return RIGHT_TO_LEFT.test(first) && RIGHT_TO_LEFT.test(last) && !/\p{Script=Latin}/u.test(text)
}
