/**
 * Base of the classes that refuse attributes they do not know: a misspelt property name is an error at once instead of
 * a packet without the property.
 */
export abstract class AttributeGuard {
  /** @param refuse - makes the error for an assignment to a name that the object does not have */
  constructor(refuse: (name: string) => Error) {
    // The subclass's fields, private ones included, are then made on the proxy, which is what everyone sees as the object.
    // biome-ignore lint/correctness/noConstructorReturn: a proxy is the only way to notice an assignment to an unknown name
    return new Proxy(this, {
      set(target, key, value, receiver): boolean {
        if (!(key in target)) throw refuse(String(key))
        return Reflect.set(target, key, value, receiver)
      },
    })
  }
}
