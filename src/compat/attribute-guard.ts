/**
 * Base of the classes that refuse attributes they do not know: a misspelt property name is an error at once instead of
 * a packet without the property.
 */
export abstract class AttributeGuard {
  /**
   * @param own - the attributes that the object has beside those of its class
   * @param refuse - makes the error for an assignment to any other name
   */
  constructor(own: readonly string[], refuse: (name: string) => Error) {
    // The subclass's private fields are then made on the proxy, which is what everyone sees as the object.
    // biome-ignore lint/correctness/noConstructorReturn: a proxy is the only way to notice an assignment to an unknown name
    return new Proxy(this, {
      set(target, key, value, receiver): boolean {
        if (!(key in target) && !own.includes(String(key))) throw refuse(String(key))
        return Reflect.set(target, key, value, receiver)
      },
    })
  }
}
