import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

/**
 * Bytes of what a bundler makes of an import of the codec, minified and gzipped.
 *
 * The texts of errors (what was expected, where, by which statement) are about a quarter of the whole.
 */
async function bundled(code: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: fileURLToPath(new URL('../../src', import.meta.url)), loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return gzipSync(outputFiles[0]?.contents ?? new Uint8Array(0), { level: 9 }).length
}

test.each([
  ['everything', "export * from './codec.ts'", 10_740],
  ['the decoder', "export { PacketDecoder } from './codec.ts'", 8130],
  ['the encoder', "export { ByteWriter, encodePacket } from './codec.ts'", 6400],
  ['PUBLISH written', "export { ByteWriter, encodePublish } from './codec.ts'", 3650],
])('%s fits its budget', async (_, code, budget) => {
  const size = await bundled(code)
  expect(size).toBeLessThanOrEqual(budget)
})
