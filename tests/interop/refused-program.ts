/** Tries to connect once, says what went wrong, and ends by itself: whatever were left running would keep it alive. */
import { Client, MqttError } from 'mqtt-await'

process.on('unhandledRejection', (reason) => {
  console.log('UNHANDLED', reason)
  process.exit(9)
})

const [url, version, username, password] = process.argv.slice(2)
const client = new Client(url ?? '', {
  protocolVersion: version === '4' ? 4 : 5,
  ...(username !== undefined && { username }),
  ...(password !== undefined && { password }),
})
let errors = 0
client.on('error', () => errors++)
try {
  await client.connect()
  console.log('connected')
} catch (error) {
  if (!(error instanceof MqttError)) throw error
  const cause = error.cause as { code?: string } | undefined
  console.log(
    JSON.stringify({
      name: error.name,
      code: error.code,
      reasonCode: error.reasonCode,
      cause: cause?.code,
      message: error.message,
      state: client.state,
      errors,
    }),
  )
}
