import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as api from 'mqtt-await'
import { expect, test } from 'vitest'

/** ERRORS.md knows every code, and no other. */
const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(`${root}src/ERRORS.md`, 'utf8')

test('every code of the source stands in ERRORS.md, once, and none that is not in the source', () => {
  const used = new Set<string>()
  for (const path of readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts')) continue
    for (const [, code = ''] of readFileSync(`${root}src/${path}`, 'utf8').matchAll(/'(ERR_MQTT_[A-Z_]+)'/g))
      used.add(code)
  }
  const described = [...page.matchAll(/^\| `(ERR_MQTT_[A-Z_]+)`/gm)].map(([, code]) => code)
  expect(described.toSorted()).toEqual([...used].toSorted())
})

test('the classes that it names are exported', () => {
  const classes = new Set([...page.matchAll(/`([A-Z]\w+Error)`/g)].map(([, name = '']) => name))
  for (const name of classes) expect(api).toHaveProperty(name)
})
