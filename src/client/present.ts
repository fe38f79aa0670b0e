type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value: what MQTT leaves out is a property that is not there, not one that is undefined. */
export function present<T extends object>(fields: T): Present<T> {
  const found: Partial<T> = {}
  for (const name in fields) if (fields[name] !== undefined) found[name] = fields[name]
  return found as Present<T>
}
