import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The text of the contract, which lies beside the repository in `shared/`; undefined where it is not at hand. What these tests
 * hold the layer against is in the repository: the text tells whether that is still what the contract says.
 */
export function contractText(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const file = join(folder, 'shared/compat-api.md')
    if (existsSync(file)) return readFileSync(file, 'utf8')
    const above = dirname(folder)
    if (above === folder) return undefined
    folder = above
  }
}
