/** A statement, or a section, of the specification as it is shown. */
export function statementMark(number: string): string {
  return number.includes('-') ? `MQTT-${number}` : `MQTT §${number}`
}

/** A value for a message: shortened. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** A field as the specification writes it, by its path: `Receive Maximum` for `properties.receiveMaximum`. */
export function fieldName(path: string): string {
  const name = path.replace(/^(properties|filters\[\])\.|\[\]/, '')
  return (
    NAMES[name] ??
    name
      .replace(/Id$/, 'Identifier')
      .replace(/\.?([A-Z]|\b[a-z])/g, (_, letter: string) => ` ${letter.toUpperCase()}`)
      .replace(/Qo ?s/i, 'QoS')
      .trim()
  )
}

const NAMES: Readonly<Record<string, string>> = {
  topic: 'Topic Name',
  filters: 'Topic Filter',
  username: 'User Name',
  dup: 'DUP',
}
