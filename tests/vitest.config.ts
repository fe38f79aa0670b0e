import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './support/summary-reporter.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

export default defineConfig({
  root,
  resolve: {
    // Tests import the package by its public names and so see what users see.
    alias: [
      { find: /^mqtt-await$/, replacement: `${root}src/index.ts` },
      { find: /^mqtt-await\/(.*)$/, replacement: `${root}src/$1.ts` },
    ],
  },
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', new SummaryReporter()],
    pool: 'forks',
    maxWorkers: 2,
    // The compiler is the runner of these: each `expectTypeOf` is a test.
    typecheck: { include: ['tests/**/*.test-d.ts'], tsconfig: 'tests/tsconfig.types.json' },
    // `npm run coverage`: the pure parts by their own tests, so that nothing above them flatters the figures.
    coverage: { include: ['src/codec/**', 'src/session/**', 'src/topic/**'], reporter: ['text'] },
  },
})
