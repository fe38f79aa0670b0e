import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAedes } from '../support/brokers.ts'
import { Program } from '../support/program.ts'
import { buildPrograms } from './build-programs.ts'

/** As in Paho, a client that has been told to stop keeps nothing running; one that has not been goes on. */

let broker: Awaited<ReturnType<typeof startAedes>>
let directory: string
const programs: Program[] = []

beforeAll(async () => {
  broker = await startAedes()
  directory = await buildPrograms(['tests/compat/life-program.ts'])
})

afterAll(async () => {
  for (const program of programs) program.kill()
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

function run(kind: string): Program {
  const program = new Program(join(directory, 'life-program.mjs'), [kind, String(broker.port)], {}, [])
  programs.push(program)
  return program
}

describe('ends by itself', () => {
  test.concurrent.each(['orderly', 'stopped', 'disconnected', 'loop disconnected', 'lost and stopped'])(
    '%s',
    async (kind) => {
      const program = run(kind)
      // It may have said that it is alive: closing in good order takes a moment.
      expect([await program.ended, program.output.slice(0, 'begun\n'.length), program.errors]).toEqual([
        0,
        'begun\n',
        '',
      ])
    },
  )
})

describe('goes on', () => {
  test.concurrent.each(['idle', 'looping', 'lost'])('%s', async (kind) => {
    await run(kind).prints(/alive/)
  })
})
