/**
 * Takes the place of topic-cache.ts in browsers: what it saves for each message is a hundredth of what a page spends on one, and
 * less than its code and its memory cost.
 */
export class TopicCache {
  find(_view: DataView, _at: number, _length: number): string | undefined {
    return undefined
  }

  keep(_view: DataView, _at: number, _length: number, _topic: string): void {}
}
