/** The fields that have a value: what MQTT leaves out is a property that is not there, not one that is undefined. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const found = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(found) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
