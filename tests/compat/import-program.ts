/** What importing the layer does to a process: nothing, so that it ends by itself. */
const watched = [
  'exit',
  'beforeExit',
  'uncaughtException',
  'unhandledRejection',
  'SIGINT',
  'SIGTERM',
  'warning',
]
const count = (): number => watched.reduce((sum, event) => sum + process.listenerCount(event), 0)

const before = count()
await import('mqtt-await/compat')
const held = process.getActiveResourcesInfo().filter((kind) => /Timeout|TCP|Immediate/.test(kind))
console.log(count() - before, held.join())
